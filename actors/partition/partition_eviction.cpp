// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/partition_processor.hpp"

#include <utility>

// The part of partition_processor that decides which instances stay in memory.

namespace perdura::actors {

using namespace persistence;

void partition_processor::add_to_idle_list(const instance_id& id,
                                           loaded_instance& loaded,
                                           timestamp at) {
  if (loaded.in_idle_list)
    return;
  loaded.in_idle_list = true;
  loaded.idle_position = idle_.emplace(idle_.end(), at, id);
}

void partition_processor::remove_from_memory(const instance_id& id,
                                             const loaded_instance& loaded) {
  const bool warm = loaded.warm;
  if (loaded.in_idle_list)
    idle_.erase(loaded.idle_position);
  state_.instances.erase(state_.instances.find(id));
  if (warm)
    host_.drop_run(id);
}

/// Evicts finished instances as soon as their end is durable. A finished
/// instance receives so few requests that each of them can read the instance
/// from the journal.
void partition_processor::evict_ended() {
  while (!ended_.empty() && ended_.front().first <= durable_position_) {
    const instance_id id = std::move(ended_.front().second);
    ended_.pop_front();
    const loaded_instance* loaded = state_.find(id);
    if (loaded != nullptr && loaded->durable && !loaded->busy()
        && !loaded->held_in_process && loaded->position <= durable_position_
        && is_finished(loaded->durable->record.status))
      remove_from_memory(id, *loaded);
  }
}

/// Evicts idle instances while more than `idle_instances_max` are in memory,
/// and those that have been idle for `idle_instance_time_max`. An instance is
/// evicted only if it has no running turn and no waiting messages, and if its
/// newest turn is durable.
void partition_processor::evict(timestamp at) {
  evict_ended();
  for (std::size_t looked = 0, most = idle_.size(); looked < most; ++looked) {
    const auto& [since, id] = idle_.front();
    const bool over
      = state_.instances.size() > state_.config.idle_instances_max;
    if (!over && at - since < state_.config.idle_instance_time_max)
      return;
    loaded_instance& loaded = *state_.find(id);
    const bool ended
      = !loaded.durable || is_finished(loaded.durable->record.status);
    // Held instances stay in memory, because `stuck` reports from memory.
    const bool in_use = loaded.busy() || loaded.held_in_process
                        || loaded.position > durable_position_;
    if (!in_use && (ended || loaded.touched <= since)) {
      remove_from_memory(instance_id(id), loaded);
      ++state_.counters.evictions;
      continue;
    }
    // An instance in use is examined again only after another
    // idle_instance_time_max. If its time in the list were earlier than `at`,
    // `wake_at` could return a time in the past, and the partition would wake
    // up again and again.
    idle_.front().first = in_use ? at : loaded.touched;
    idle_.splice(idle_.end(), idle_, idle_.begin());
    if (over && looked > 64)
      return; // probably all are in use; the next batch examines more
  }
}

} // namespace perdura::actors
