// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/partition_processor.hpp"
#include "actors/partition/steps.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

// The part of partition_processor that maintains the marks. The mark of a
// source partition is a sequence: all messages of the source up to it are
// durable here. Messages of one source can be for several instances, so a turn
// that advances a mark may have to include messages of other instances.

namespace perdura::actors {

using namespace persistence;

/// Ensures that the marks of this turn skip no message: earlier messages of the
/// same sources that still wait for a turn are added to this turn. With each
/// such message, all waiting messages of its instance are added. These may
/// belong to further sources, so the search is repeated until no mark would
/// skip a message.
void partition_processor::include_earlier_marks(turn& next, timestamp at) {
  while (const auto behind = pop_skipped_mark(next))
    include_pending(next, *behind, at);
}

/// Removes the messages of this turn from the pending marks. If a pending
/// message that is not in this turn precedes one of them, removes the mark of
/// that pending message and returns its instance. Otherwise returns nothing.
std::optional<instance_id>
partition_processor::pop_skipped_mark(const turn& next) {
  std::map<partition_id, std::set<std::uint64_t>> included;
  for (const dedup_mark& source : next.sources)
    included[source.from].insert(source.sequence);
  for (const auto& [from, sequences] : included) {
    auto& waiting = live_.marks_pending[from];
    while (!waiting.empty()
           && waiting.front().sequence <= *sequences.rbegin()) {
      const pending_mark first = std::move(waiting.front());
      waiting.pop_front();
      if (!sequences.contains(first.sequence))
        return first.instance;
    }
  }
  return std::nullopt;
}

/// Adds the waiting start and messages of the instance to the turn.
void partition_processor::include_pending(turn& next, const instance_id& id,
                                          timestamp at) {
  loaded_instance loaded = find(id);
  if (!loaded || (!loaded.live->starting && loaded.live->arrived.empty()))
    return;
  auto& writes = next.writes.instances;
  const auto known
    = std::find_if(writes.begin(), writes.end(),
                   [&](const instance_write& write) { return write.id == id; });
  turn more;
  if (known == writes.end()) {
    more = step_persist_pending(live_, id, loaded, at);
    writes.push_back(std::move(more.writes.instances.front()));
  } else {
    // The turn already writes this instance, so the waiting messages follow
    // that write: the step receives a copy of the rows as the write leaves
    // them.
    std::optional<stored_instance> after;
    if (loaded.durable != nullptr)
      after = *loaded.durable;
    persistence::apply(after, *known);
    if (after) {
      loaded.durable = &*after;
      more = step_persist_pending(live_, id, loaded, at);
      merge(*known, std::move(more.writes.instances.front()));
    }
  }
  if (more.writes.requests) {
    auto& changes = next.writes.requests;
    if (!changes)
      changes.emplace();
    std::move(more.writes.requests->rows.begin(),
              more.writes.requests->rows.end(),
              std::back_inserter(changes->rows));
  }
  next.effects.insert(next.effects.end(),
                      std::make_move_iterator(more.effects.begin()),
                      std::make_move_iterator(more.effects.end()));
  next.sources.insert(next.sources.end(), more.sources.begin(),
                      more.sources.end());
}

/// Calls the step for a message from another partition. `history` is that of
/// the instance if the message is a rewind.
turn partition_processor::step_partition(
  partition_message& message, const std::vector<history_event>& history,
  dedup_mark source, timestamp at) {
  const instance_id& id = message.message.to_instance;
  return std::visit(
    [&](const auto& x) -> turn {
      using type = std::decay_t<decltype(x)>;
      if constexpr (std::is_same_v<type, child_start>) {
        return step_child_start(durable(), live_, id, x, source, at);
      } else if constexpr (std::is_same_v<type, child_ended>) {
        return step_child_ended(durable(), live_, id, x, source, at);
      } else if constexpr (std::is_same_v<type, event_send>) {
        return step_event_send(durable(), live_, id, x, source, at);
      } else if constexpr (std::is_same_v<type, rule_notice>) {
        return mark_only(source); // handled before
      } else if constexpr (std::is_same_v<type, child_terminate>) {
        persist_pending(id, at);
        return step_child_terminate(durable(), live_, id, x, source, at);
      } else {
        return step_child_rewind(durable(), live_, id, x, history, source, at);
      }
    },
    message.message.body);
}

} // namespace perdura::actors
