#include "actors/partition/partition_state.hpp"

#include <algorithm>

namespace perdura::actors {

namespace {

bool has_due_time(task_kind kind) {
  return kind == task_kind::timer || kind == task_kind::scheduled_start;
}

void forget_timers(partition_state& state, const instance_id& id,
                   const stored_instance& stored) {
  for (const auto& [sequence, task] : stored.tasks)
    if (has_due_time(task.kind))
      state.timers.erase({task.fire_at, id, sequence});
}

void apply_instance(partition_state& state, const instance_write& write) {
  live_instance* live = state.find(write.id);
  if (live == nullptr)
    return;
  if ((write.removed || write.reset) && live->stored)
    forget_timers(state, write.id, *live->stored);
  for (const task_closed& task : write.tasks_closed)
    if (has_due_time(task.kind))
      state.timers.erase({task.fire_at, write.id, task.sequence});
  for (const auto& [sequence, task] : write.tasks_opened)
    if (has_due_time(task.kind) && task.fire_at <= state.timers_until)
      state.timers.insert({task.fire_at, write.id, sequence});
  persistence::apply(live->stored, write);
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
                   live_instance& live) {
  if (live.queued)
    return;
  live.queued = true;
  state.runnable.push_back(id);
}

bool equal_names(std::string_view a, std::string_view b) {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

bool awaits_event(const stored_instance& stored, std::string_view name) {
  for (auto it = stored.tasks.lower_bound(wait_sequence_first);
       it != stored.tasks.end(); ++it)
    if (equal_names(it->second.name, name))
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
