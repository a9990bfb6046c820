#include "actors/partition/partition_processor.hpp"
#include "actors/partition/steps.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

// Marks: what a partition has taken from another one is durable up to a
// number, without gaps, so the turns of several instances are bound together.

namespace perdura::actors {

/// A mark may not overtake: what came earlier from the same partition and
/// still waits becomes durable in this turn, without the turn it waits for. It
/// has to be this one: whatever else its instance has waiting comes along, and
/// may lie behind what this turn takes.
void partition_processor::settle_earlier(turn& next, timestamp at) {
  while (const auto behind = take_overtaken(next))
    settle_into(next, *behind, at);
}

/// Takes the marks of this turn off those that wait, and the first one that
/// it would overtake; tells whose that is.
std::optional<instance_id>
partition_processor::take_overtaken(const turn& next) {
  std::map<partition_id, std::set<std::uint64_t>> taken;
  for (const dedup_mark& source : next.sources)
    taken[source.from].insert(source.sequence);
  for (const auto& [from, sequences] : taken) {
    auto& waiting = state_.marks_waiting[from];
    while (!waiting.empty()
           && waiting.front().sequence <= *sequences.rbegin()) {
      const waiting_mark first = std::move(waiting.front());
      waiting.pop_front();
      if (!sequences.contains(first.sequence))
        return first.instance;
    }
  }
  return std::nullopt;
}

void partition_processor::settle_into(turn& next, const instance_id& id,
                                      timestamp at) {
  live_instance* live = state_.find(id);
  if (live == nullptr || (!live->starting && live->arrived.empty()))
    return;
  auto& writes = next.writes.instances;
  const auto known
    = std::find_if(writes.begin(), writes.end(),
                   [&](const instance_write& write) { return write.id == id; });
  turn more;
  if (known == writes.end()) {
    more = step_settle(state_, id, *live, at);
    writes.push_back(std::move(more.writes.instances.front()));
  } else {
    // The turn is of this very instance: what it still has waiting is put on
    // top of what the turn makes of it.
    const std::optional<stored_instance> before = live->stored;
    persistence::apply(live->stored, *known);
    if (live->stored) {
      more = step_settle(state_, id, *live, at);
      merge(*known, std::move(more.writes.instances.front()));
    }
    live->stored = before;
  }
  next.effects.insert(next.effects.end(),
                      std::make_move_iterator(more.effects.begin()),
                      std::make_move_iterator(more.effects.end()));
  next.sources.insert(next.sources.end(), more.sources.begin(),
                      more.sources.end());
}

} // namespace perdura::actors
