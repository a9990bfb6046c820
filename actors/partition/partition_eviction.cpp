// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/partition_processor.hpp"

#include <algorithm>
#include <utility>

// The part of partition_processor that decides which instances stay in memory.

namespace perdura::actors {

using namespace persistence;

void partition_processor::remove_from_memory(const instance_id& id,
                                             live_instance& instance) {
  const bool warm = instance.warm;
  set_bytes(live_, instance, 0);
  store_.release(id);
  live_.instances.erase(live_.instances.find(id)); // leaves the idle queue too
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
    const loaded_instance loaded = find(id);
    if (loaded && loaded.durable && !loaded.live->busy()
        && !loaded.live->held_in_process
        && loaded.live->position <= durable_position_
        && is_finished(loaded.durable->record.status))
      remove_from_memory(id, *loaded.live);
  }
}

/// Evicts idle instances while more than `idle_instances_max` are in memory,
/// large ones while the instances take more than `idle_instance_bytes_max`, and
/// those that have been idle for `idle_instance_time_max`. An instance is
/// evicted only if it has no running turn and no waiting messages, and if its
/// newest turn is durable.
void partition_processor::evict() {
  const elapsed_time at = live_.now;
  evict_ended();
  for (std::size_t looked = 0, most = live_.instances.size();
       looked < most && !idle_.empty(); ++looked) {
    live_instance& instance = *idle_.front().instance;
    const elapsed_time since = idle_.front().since;
    const stored_instance* stored = durable().find(*instance.id);
    const partition_config& config = durable().config;
    const bool over_count = live_.instances.size() > config.idle_instances_max;
    const bool over_bytes = live_.bytes > config.idle_instance_bytes_max;
    const bool over = over_count || over_bytes;
    const bool too_old = at - since >= config.idle_instance_time_max;
    if (!over && !too_old)
      return;
    // The eviction of a small instance would cost a replay and free little.
    const bool too_large
      = over_bytes
        && instance.bytes
             > config.idle_instance_bytes_max
                 / std::max<std::size_t>(1, config.idle_instances_max);
    const bool ended = stored == nullptr || is_finished(stored->record.status);
    // Held instances stay in memory, because `stuck` reports from memory.
    const bool in_use = instance.busy() || instance.held_in_process
                        || (!ended && !stored->record.held.empty())
                        || instance.position > durable_position_;
    if (!in_use
        && (ended || too_large
            || ((over_count || too_old) && instance.touched <= since))) {
      remove_from_memory(instance_id(*instance.id), instance);
      ++live_.counters.evictions;
      continue;
    }
    // An instance in use is examined again only after another
    // idle_instance_time_max. If its time in the list were earlier than `at`,
    // `wake_at` could return a time in the past, and the partition would wake
    // up again and again.
    idle_.requeue_front(in_use ? at : std::max(since, instance.touched));
    if (over && looked > 64)
      return; // probably all are in use; the next batch examines more
  }
}

} // namespace perdura::actors
