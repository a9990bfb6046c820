// SPDX-License-Identifier: Apache-2.0
/// The functions that one lane of the journal calls when turns have become
/// durable.
#pragma once

#include "persistence/records/ids.hpp"

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

namespace perdura::persistence {

/// At most one listener for each partition. Thread-safe; a listener must not
/// call `set`.
class durable_listeners {
public:
  /// Replaces the listener of a partition; empty removes it. When the function
  /// returns, the previous listener is not called any more.
  void set(partition_id partition,
           std::function<void(journal_position)> on_durable);

  /// Calls the listeners of these partitions, except that of `except`. The
  /// caller passes the positions of a lane in order.
  void report(const std::vector<partition_id>& partitions,
              journal_position reached, std::optional<partition_id> except);

private:
  // Guards `listeners_`. It is held while listeners are called, so the listener
  // that `set` replaces is not called after `set` has returned.
  std::mutex mutex_;
  std::unordered_map<std::uint32_t, std::function<void(journal_position)>>
    listeners_;
};

} // namespace perdura::persistence
