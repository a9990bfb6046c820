// SPDX-License-Identifier: Apache-2.0
// Steps for activities whose results no code uses, and for those that the
// program does not have.
#include "actors/partition/steps.hpp"

#include <algorithm>
#include <set>

namespace perdura::actors {

using namespace persistence;

namespace {

std::string counted(std::size_t count) {
  return count == 1 ? "one of its activities has not ended, "
                    : std::to_string(count)
                        + " of its activities have not ended, for example ";
}

} // namespace

bool has_result(loaded_instance loaded, task_sequence sequence) {
  for (const arrived_message& message : loaded.live->arrived)
    if (task_of(message.event.body) == sequence)
      return true;
  return has_stored_result(*loaded.durable, sequence);
}

bool has_stored_result(const stored_instance& stored, task_sequence sequence) {
  return std::any_of(stored.inbox.begin(), stored.inbox.end(),
                     [&](const auto& row) {
                       return task_of(row.second.event.body) == sequence;
                     });
}

void drop_results(instance_draft& draft) {
  for (const auto& [sequence, event] : draft.inbox())
    if (const auto task = task_of(event.body)) {
      draft.remove_from_inbox(sequence);
      draft.close(*task);
    }
}

std::string open_activities_text(const instance_id& id,
                                 const stored_instance& stored) {
  std::size_t count = 0;
  std::string name;
  const instance_draft draft(id, stored);
  draft.each_activity([&](task_sequence sequence, const open_task& task) {
    if (has_stored_result(stored, sequence))
      return;
    if (++count == 1)
      name = task.name;
  });
  if (count == 0)
    return {};
  return "Instance \"" + id + "\" is " + to_string(stored.record.status)
         + ", but " + counted(count) + name + ".";
}

std::vector<std::pair<task_sequence, event_index>>
activities_to_leave(loaded_instance loaded) {
  std::vector<std::pair<task_sequence, event_index>> left;
  if (!loaded || loaded.live->starting || loaded.durable == nullptr)
    return left;
  for (const auto& [sequence, task] : loaded.durable->tasks)
    if (task.kind == task_kind::activity && !task.left
        && !has_result(loaded, sequence))
      left.emplace_back(sequence, task.scheduled_event);
  return left;
}

void add_cancellation(turn& into, const instance_draft& draft,
                      const instance_id& id, const execution_id& execution,
                      bool drops) {
  std::set<execution_id> executions;
  draft.each_activity([&](task_sequence, const open_task& task) {
    executions.insert(task.left ? task.left->execution : execution);
  });
  for (const execution_id& each : executions)
    into.effects.push_back(cancel_effect{id, each, drops});
}

std::string missing_activity_text(const durable_partition& durable,
                                  const instance_draft& draft) {
  const auto& has = durable.config.has_activity;
  std::string text;
  if (has)
    draft.each_activity([&](task_sequence, const open_task& task) {
      if (text.empty() && !has(task.name))
        text = "activity " + task.name
               + " is not registered on this node; it runs when a program that "
                 "registers it is started";
    });
  return text;
}

turn step_check_activities(const durable_partition& durable,
                           volatile_partition& live, const instance_id& id,
                           timestamp now) {
  const loaded_instance loaded = find(durable, live, id);
  if (!loaded || loaded.live->starting || !loaded.durable
      || is_finished(loaded.durable->record.status)
      || loaded.live->held_in_process || loaded.durable->record.turn_due)
    return {}; // a turn decides
  instance_draft draft(id, *loaded.durable);
  std::string reason = missing_activity_text(durable, draft);
  if (reason == loaded.durable->record.held)
    return {};
  turn out;
  if (!reason.empty())
    out.effects.push_back(log_effect{
      log_level::error, "instance \"" + id + "\" is held: " + reason});
  draft.record().held = std::move(reason);
  out.writes.instances.push_back(std::move(draft).finish(now));
  return out;
}

} // namespace perdura::actors
