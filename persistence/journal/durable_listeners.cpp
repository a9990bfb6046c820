// SPDX-License-Identifier: Apache-2.0
#include "persistence/journal/durable_listeners.hpp"

#include <utility>

namespace perdura::persistence {

void durable_listeners::set(partition_id partition,
                            std::function<void(journal_position)> on_durable) {
  std::lock_guard lock(mutex_);
  listeners_[index_of(partition)] = std::move(on_durable);
}

void durable_listeners::report(const std::vector<partition_id>& partitions,
                               journal_position reached,
                               std::optional<partition_id> except) {
  std::lock_guard lock(mutex_);
  for (partition_id partition : partitions) {
    if (partition == except)
      continue;
    const auto found = listeners_.find(index_of(partition));
    if (found != listeners_.end() && found->second)
      found->second(reached);
  }
}

} // namespace perdura::persistence
