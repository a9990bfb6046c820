#include "actors/partition/partition_processor.hpp"

#include <utility>

// Which instances stay in memory.

namespace perdura::actors {

void partition_processor::keep(const instance_id& id, live_instance& live,
                               timestamp at) {
  if (live.kept)
    return;
  live.kept = true;
  live.place = idle_.emplace(idle_.end(), at, id);
}

void partition_processor::forget(const instance_id& id,
                                 const live_instance& live) {
  const bool warm = live.warm;
  if (live.kept)
    idle_.erase(live.place);
  state_.live.erase(state_.live.find(id));
  if (warm)
    host_.drop_run(id);
}

/// What has ended is hardly asked for again, and then it is read.
void partition_processor::evict_ended() {
  while (!ended_.empty() && ended_.front().first <= durable_) {
    const instance_id id = std::move(ended_.front().second);
    ended_.pop_front();
    const live_instance* live = state_.find(id);
    if (live != nullptr && live->stored && !live->busy() && !live->held_here
        && live->position <= durable_
        && is_finished(live->stored->record.status))
      forget(id, *live);
  }
}

/// Only the partition evicts: no turn out, nothing waiting, last turn durable.
void partition_processor::evict(timestamp at) {
  evict_ended();
  for (std::size_t looked = 0, most = idle_.size(); looked < most; ++looked) {
    const auto& [since, id] = idle_.front();
    const bool over = state_.live.size() > state_.config.idle_instances_max;
    if (!over && at - since < state_.config.idle_instance_time_max)
      return;
    live_instance& live = *state_.find(id);
    const bool ended = !live.stored || is_finished(live.stored->record.status);
    // Held ones stay, so that operators see them.
    const bool in_use
      = live.busy() || live.held_here || live.position > durable_;
    if (!in_use && (ended || live.touched <= since)) {
      forget(instance_id(id), live);
      ++state_.counters.evictions;
      continue;
    }
    // What is in use is looked at again only after a whole pause: a time
    // that has passed would keep the partition awake.
    idle_.front().first = in_use ? at : live.touched;
    idle_.splice(idle_.end(), idle_, idle_.begin());
    if (over && looked > 64)
      return; // the rest is busy too; the next batch goes on
  }
}

} // namespace perdura::actors
