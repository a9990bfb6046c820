// SPDX-License-Identifier: Apache-2.0
/// Reads the durable state of one partition or of one instance. Partitions
/// recover through this interface, and the status of an instance is read
/// through it.
#pragma once

#include "persistence/records/history_event.hpp"
#include "persistence/records/records.hpp"
#include "persistence/views/partition_snapshot.hpp"

#include <cstddef>
#include <optional>
#include <vector>

namespace perdura::persistence {

/// The durable turns of a hub as state. Each answer is complete for all turns
/// that are durable when the call begins. Only `load` writes: it flushes these
/// turns to the views first, and blocks until that is done.
///
/// A damaged row is reported as errc::storage_damaged and never as absent.
///
/// Thread-safe.
class state_reader {
public:
  virtual ~state_reader() = default;

  /// The state of one instance, without its history; empty if the instance
  /// does not exist.
  /// @error errc::storage_damaged  A row cannot be read as it was written.
  virtual result<std::optional<stored_instance>>
  read(partition_id partition, const instance_id& id) const = 0;

  /// Returns at most `count_max` events of the instance's newest execution, in
  /// order and beginning with event `first`. The result is shorter if fewer
  /// events exist, and empty if the instance does not exist.
  /// @error errc::storage_damaged  A row cannot be read, or the rows contain
  ///                               fewer events than the instance's record
  ///                               states.
  virtual result<std::vector<history_event>>
  history(partition_id partition, const instance_id& id, event_index first = 0,
          std::size_t count_max = static_cast<std::size_t>(-1)) const = 0;

  /// Returns the state from which a partition recovers. A partition calls it
  /// once, before it serves.
  /// @error errc::storage_damaged  A row cannot be read.
  virtual result<partition_snapshot> load(partition_id partition) = 0;

  /// Returns the timers and scheduled starts with `after` < fire_at ≤
  /// `until`, in the order of fire_at.
  /// @error errc::storage_damaged  A row cannot be read.
  virtual result<std::vector<due_task>>
  due(partition_id partition, timestamp after, timestamp until) const = 0;
};

} // namespace perdura::persistence
