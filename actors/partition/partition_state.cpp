// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/partition_state.hpp"

#include "persistence/records/text.hpp"

#include <algorithm>

namespace perdura::actors {

using namespace persistence;

namespace {

/// Removes the timers of the instance from `partition_state::timers`.
void forget_timers(partition_state& state, const instance_id& id,
                   const stored_instance& stored) {
  for (const auto& [sequence, task] : stored.tasks)
    if (has_due_time(task.kind))
      state.timers.erase({task.fire_at, id, sequence});
}

/// Applies the write to the instance if it is in memory, and updates `timers`
/// for the tasks that it opens and closes.
void apply_instance(partition_state& state, const instance_write& write) {
  loaded_instance* loaded = state.find(write.id);
  if (loaded == nullptr)
    return;
  if ((write.removed || write.reset) && loaded->durable)
    forget_timers(state, write.id, *loaded->durable);
  for (const task_closed& task : write.tasks_closed)
    if (has_due_time(task.kind))
      state.timers.erase({task.fire_at, write.id, task.sequence});
  for (const auto& [sequence, task] : write.tasks_opened)
    if (has_due_time(task.kind) && task.fire_at <= state.timers_until)
      state.timers.insert({task.fire_at, write.id, sequence});
  // Applied last, because the code above needs the tasks as they were before
  // the write.
  persistence::apply(loaded->durable, write);
}

} // namespace

void apply(partition_state& state, const turn_writes& writes) {
  state.meta.epoch = writes.epoch;
  state.meta.sequence = writes.sequence;
  state.meta.now = writes.now;
  for (const instance_write& write : writes.instances)
    apply_instance(state, write);
  for (const outbox_message& message : writes.outbox) {
    state.outbox[message.to].insert_or_assign(message.sequence, message);
    auto& head = state.outbox_heads[message.to];
    head = std::max(head, message.sequence);
  }
  // An acknowledgement covers all messages up to its sequence.
  for (const outbox_mark& mark : writes.outbox_acknowledged) {
    auto& sent = state.outbox[mark.to];
    sent.erase(sent.begin(), sent.upper_bound(mark.sequence));
  }
  for (const dedup_mark& mark : writes.marks) {
    auto& known = state.marks[mark.from];
    known = std::max(known, mark.sequence);
  }
}

void make_runnable(partition_state& state, const instance_id& id,
                   loaded_instance& loaded) {
  if (loaded.queued)
    return;
  loaded.queued = true;
  state.runnable.push_back(id);
}

bool awaits_event(const stored_instance& stored, std::string_view name) {
  // Waits have the sequences from wait_sequence_first on.
  for (auto it = stored.tasks.lower_bound(wait_sequence_first);
       it != stored.tasks.end(); ++it)
    if (persistence::equal_ignoring_case(it->second.name, name))
      return true;
  return false;
}

bool is_deliverable(const stored_instance& stored, const history_event& event) {
  const auto* raised = std::get_if<event_raised>(&event.body);
  return raised == nullptr || awaits_event(stored, raised->name);
}

std::optional<task_sequence> task_of(const history_body& body) {
  return std::visit(
    [](const auto& x) -> std::optional<task_sequence> {
      using type = std::decay_t<decltype(x)>;
      if constexpr (
        std::is_same_v<
          type,
          task_completed> || std::is_same_v<type, task_failed> || std::is_same_v<type, timer_fired> || std::is_same_v<type, sub_orchestration_instance_completed> || std::is_same_v<type, sub_orchestration_instance_failed>)
        return x.sequence;
      else
        return std::nullopt;
    },
    body);
}

} // namespace perdura::actors
