// SPDX-License-Identifier: Apache-2.0
/// Reads the durable state of one partition or of one instance. Partitions
/// recover through this interface, and the status of an instance is read
/// through it.
#pragma once

#include "persistence/records/history_event.hpp"
#include "persistence/records/records.hpp"
#include "persistence/records/request_rows.hpp"
#include "persistence/views/partition_snapshot.hpp"
#include "persistence/views/queries.hpp"

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

  /// The answer that is recorded for the request with this key in one of the
  /// windows; the newest one if there are several. Empty if there is none. May
  /// also return an answer of another window, which a turn in memory contains.
  /// @param windows  In ascending order.
  /// @error errc::storage_damaged  The row, or one beside its place, cannot be
  ///                               read as it was written.
  virtual result<std::optional<request_row>>
  read_request(partition_id partition,
               const std::vector<request_window>& windows,
               const hash128& key) const = 0;

  /// The instances of the partition that are set aside, because a flush found
  /// their rows damaged. `read` and `history` return the same error for them.
  /// An instance stays set aside at least until the next opening.
  virtual std::vector<damaged_instance>
  set_aside(partition_id partition) const = 0;

  /// The number of instances of the partition's lane that are set aside. Cheap
  /// enough for each batch; it never decreases while the journal is open.
  virtual std::size_t set_aside_count(partition_id partition) const = 0;

  /// Returns the state from which a partition recovers. A partition calls it
  /// once, before it serves. Damaged rows that belong to one instance or
  /// message are left out; see `partition_snapshot::damage`.
  /// @error errc::storage_damaged  Another row cannot be read: that of the
  ///                               partition, of a mark, or of the last
  ///                               sequence of an outbox.
  virtual result<partition_snapshot> load(partition_id partition) = 0;

  /// Returns the messages to `to` with the sequences from `first` on, up to
  /// `last`. The page ends earlier when its messages take `bytes_max` bytes in
  /// memory; it contains at least one message.
  /// @pre All these messages have been stored and none is acknowledged.
  /// @error errc::storage_damaged  The table cannot be read.
  virtual result<outbox_page> outbox(partition_id partition, partition_id to,
                                     std::uint64_t first, std::uint64_t last,
                                     std::size_t bytes_max) const = 0;

  /// Returns the timers and scheduled starts that are due on the scale after
  /// `after` and not after `until`. Damaged rows are logged and left out.
  /// @error errc::storage_damaged  The table cannot be read.
  virtual result<due_range> due(partition_id partition, time_scale scale,
                                timestamp after, timestamp until) const = 0;

  /// Returns one page of the instances of the partition; see
  /// `query_source::query`. A partition that examines many of its instances
  /// uses it.
  virtual result<instance_page> page(partition_id partition,
                                     const instance_query& query) const = 0;
};

} // namespace perdura::persistence
