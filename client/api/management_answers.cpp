// SPDX-License-Identifier: Apache-2.0
#include "client/api/management_answers.hpp"

#include "persistence/records/text.hpp"

#include <map>
#include <utility>

namespace perdura::client {

using actors::management_answer;

namespace {

error error_of(const management_answer& answer) {
  return {answer.code, answer.message};
}

open_task_kind kind_of_task(persistence::task_kind kind) {
  using persistence::task_kind;
  switch (kind) {
  case task_kind::timer:
    return open_task_kind::timer;
  case task_kind::sub_orchestration:
    return open_task_kind::sub_orchestration;
  case task_kind::scheduled_start:
    return open_task_kind::scheduled_start;
  default:
    return open_task_kind::activity;
  }
}

/// Counts the events by name. The case of ASCII letters is ignored, as it is
/// when an orchestrator receives an event.
std::vector<described_events>
counted_events(const std::vector<std::string>& names) {
  std::vector<described_events> counted;
  std::map<std::string, std::size_t> places; // by the name in lower case
  for (const std::string& name : names) {
    const auto [at, is_new]
      = places.emplace(persistence::to_lower(name), counted.size());
    if (is_new)
      counted.push_back({name, 0});
    ++counted[at->second].count;
  }
  return counted;
}

} // namespace

result<void> to_done(const management_answer& answer) {
  if (answer.code != errc::ok)
    return error_of(answer);
  return {};
}

result<started_instance> to_started(const management_answer& answer) {
  if (answer.code != errc::ok)
    return error_of(answer);
  return started_instance{answer.id, answer.started, answer.created_at,
                          answer.created};
}

orchestration_status to_status(const persistence::instance_row& row) {
  const persistence::instance_record& record = row.record;
  orchestration_status status;
  status.name = record.name;
  status.version = record.version;
  status.instance_id = row.id;
  status.execution_id = record.execution;
  status.created_time = record.created_at;
  status.last_updated_time = record.last_updated_at;
  // The input is empty if it was not requested.
  status.input = row.input.empty() ? "null" : row.input;
  status.custom_status = row.custom_status;
  status.output = row.output;
  status.status = record.status;
  status.parent_instance_id = record.parent.instance;
  status.held = record.held;
  status.error = row.error;
  return status;
}

result<orchestration_status> to_status(const management_answer& answer,
                                       const status_options& options) {
  if (answer.code != errc::ok)
    return error_of(answer);
  if (!answer.status)
    return error{errc::internal,
                 "The answer for \"" + answer.id + "\" holds no status."};
  orchestration_status status = to_status(answer.status->row);
  status.unread_events = answer.status->unread_events;
  status.has_history = options.show_history;
  status.has_history_input = options.show_input;
  status.has_history_output = options.show_history_output;
  if (options.show_history)
    status.history = answer.status->history;
  return status;
}

result<instance_description> to_description(const management_answer& answer) {
  auto status = to_status(answer, {.show_input = false});
  if (!status)
    return status.error();
  if (!answer.status->details)
    return error{errc::unsupported,
                 "The node that owns instance \"" + answer.id
                   + "\" runs an older version of Perdura, which cannot "
                     "describe instances."};
  const actors::instance_details& details = *answer.status->details;
  const persistence::tree_place& place = answer.status->row.record.place;
  instance_description described;
  described.status = std::move(*status);
  described.root_instance_id = place.root;
  described.depth = place.depth;
  for (const actors::task_details& task : details.tasks)
    if (task.kind == persistence::task_kind::event_wait)
      described.waits.push_back({task.name, task.since});
    else
      described.open_tasks.push_back({kind_of_task(task.kind), task.name,
                                      task.since, task.attempt, task.fire_at,
                                      task.child, task.is_left});
  described.open_task_count = details.task_count;
  described.wait_count = details.wait_count;
  described.unread_events = counted_events(described.status.unread_events);
  described.is_turn_due = details.is_turn_due;
  described.is_turn_running = details.is_turn_running;
  described.paused = details.paused;
  described.partition = details.partition;
  described.node = details.node;
  described.tree_left_in = details.tree_left_in;
  return described;
}

} // namespace perdura::client
