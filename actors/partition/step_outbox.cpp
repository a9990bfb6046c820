// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/steps.hpp"
#include "persistence/records/keys.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

// The back-pressure of the outbox: while a destination has not acknowledged
// many messages, the turns that would add more wait. Only turns wait: whatever
// arrives is accepted, so that two partitions cannot wait for each other.

namespace perdura::actors {

using namespace persistence;

namespace {

/// The parent of the instance, as its next turn will record it.
const parent_link& parent_of(loaded_instance loaded) {
  return loaded.live->starting
           ? std::get<execution_started>(loaded.live->starting->started.body)
               .parent
           : loaded.durable->record.parent;
}

/// The messages that the outcome would add, by destination. Only destinations
/// in `full_outboxes` count.
std::map<partition_id, std::uint64_t>
messages_to_full(const durable_partition& durable,
                 const volatile_partition& live, loaded_instance loaded,
                 const turn_outcome& outcome) {
  std::map<partition_id, std::uint64_t> messages;
  const auto add = [&](const instance_id& to) {
    const partition_id where
      = durable.config.partition_of(to, durable.config.partition_count);
    if (live.full_outboxes.contains(where))
      ++messages[where];
  };
  for (const decision& one : outcome.decisions) {
    if (const auto* child
        = std::get_if<sub_orchestration_instance_created>(&one))
      add(child->instance);
    else if (const auto* event = std::get_if<event_sent>(&one))
      add(event->instance);
  }
  // The end of a sub-orchestration is reported to the parent.
  const bool ends = std::holds_alternative<completed_result>(outcome.result)
                    || std::holds_alternative<failed_result>(outcome.result);
  if (ends && !parent_of(loaded).instance.empty())
    add(parent_of(loaded).instance);
  return messages;
}

} // namespace

std::uint64_t unacknowledged(const durable_partition& durable,
                             const volatile_partition& live, partition_id to) {
  const auto box = durable.outbox.find(to);
  if (box == durable.outbox.end())
    return 0;
  const auto known = live.acknowledged.find(to);
  const std::uint64_t acknowledged
    = std::max(box->second.first - 1,
               known == live.acknowledged.end() ? 0 : known->second);
  return box->second.last - std::min(acknowledged, box->second.last);
}

void note_full_outbox(const durable_partition& durable,
                      volatile_partition& live, partition_id to) {
  if (to != quarantine_partition
      && unacknowledged(durable, live, to)
           >= durable.config.outbox_messages_max)
    live.full_outboxes.try_emplace(to);
}

std::optional<turn> step_wait_for_outbox(const durable_partition& durable,
                                         volatile_partition& live,
                                         loaded_instance loaded,
                                         const turn_outcome& outcome,
                                         timestamp now) {
  const bool has_waited
    = std::exchange(loaded.live->passes_outbox_waits, false);
  for (const auto& [to, count] :
       messages_to_full(durable, live, loaded, outcome)) {
    full_outbox& full = live.full_outboxes.at(to);
    const bool is_full
      = unacknowledged(durable, live, to) >= durable.config.outbox_messages_max;
    if (!is_full && (has_waited || full.turns.empty()))
      continue;
    const instance_id& id = outcome.instance;
    // An instance that was started anew may still be in the queue.
    if (live.outbox_waits.try_emplace(id, to).second) {
      if (has_waited)
        full.turns.push_front({id, count});
      else
        full.turns.push_back({id, count});
    }
    turn out = step_persist_pending(live, id, loaded, now);
    out.writes.instances.front().record->turn_due = true;
    loaded.live->warm = false;
    loaded.live->delivered = 0;
    live.runs_to_drop.push_back(id);
    return out;
  }
  return std::nullopt;
}

std::vector<instance_id> pop_outbox_waits(const durable_partition& durable,
                                          volatile_partition& live) {
  std::vector<instance_id> ready;
  const std::uint64_t max = durable.config.outbox_messages_max;
  for (auto it = live.full_outboxes.begin(); it != live.full_outboxes.end();) {
    auto& [to, full] = *it;
    const std::uint64_t stored = unacknowledged(durable, live, to);
    const std::uint64_t last = durable.outbox_head(to);
    // A turn that was to run and does not, because its instance was terminated,
    // adds nothing.
    if (stored == 0)
      full.expected_last = 0;
    const std::uint64_t filled
      = stored + (full.expected_last > last ? full.expected_last - last : 0);
    if (filled > max / 2) {
      ++it;
      continue;
    }
    std::uint64_t space = max - filled;
    full.expected_last = std::max(full.expected_last, last);
    while (!full.turns.empty() && space > 0) {
      outbox_wait first = std::move(full.turns.front());
      full.turns.pop_front();
      live.outbox_waits.erase(first.instance);
      const std::uint64_t messages = std::max<std::uint64_t>(first.messages, 1);
      space -= std::min(space, messages);
      full.expected_last += messages;
      ready.push_back(std::move(first.instance));
    }
    it = full.turns.empty() ? live.full_outboxes.erase(it) : std::next(it);
  }
  return ready;
}

} // namespace perdura::actors
