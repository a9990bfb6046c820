// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/status_reader.hpp"

#include "actors/partition/steps.hpp"

#include <algorithm>

namespace perdura::actors {

using namespace persistence;

namespace {

/// Returns the instance's output if the event ended the instance.
std::string output_of(const history_event& event) {
  if (const auto* ended = std::get_if<execution_completed>(&event.body))
    return ended->result;
  if (const auto* cut = std::get_if<execution_terminated>(&event.body))
    return cut->reason;
  return "null";
}

/// Returns the names of the events in the inbox, in order of arrival.
std::vector<std::string> unread_event_names(const stored_instance& stored) {
  std::vector<std::string> names;
  for (const auto& [sequence, message] : stored.inbox)
    if (const auto* raised = std::get_if<event_raised>(&message.event.body))
      names.push_back(raised->name);
  return names;
}

/// The time of the event that scheduled the task or began the wait; the epoch
/// if it is not known.
result<timestamp> time_of_scheduling(const state_reader& from,
                                     partition_id partition,
                                     const instance_row& row,
                                     const open_task& task) {
  if (task.kind == task_kind::scheduled_start)
    return row.record.created_at;
  // The history of an earlier execution is gone, and event 0 begins the
  // execution: it schedules nothing.
  if (task.left || task.scheduled_event == 0)
    return timestamp{};
  auto event = from.history(partition, row.id, task.scheduled_event, 1);
  if (!event)
    return event.error();
  return event->empty() ? timestamp{} : event->front().time;
}

/// Reads the open tasks and waits of the instance, as far as they are shown.
result<instance_details> read_details(const state_reader& from,
                                      partition_id partition,
                                      const instance_row& row,
                                      const stored_instance& stored) {
  instance_details details;
  details.partition = persistence::index_of(partition);
  bool waits_for_start = false;
  std::size_t shown = 0;
  // Waits have the greatest sequences, so they follow all tasks.
  for (const auto& [sequence, task] : stored.tasks) {
    const bool is_wait = task.kind == task_kind::event_wait;
    waits_for_start |= task.kind == task_kind::scheduled_start;
    std::uint64_t& count = is_wait ? details.wait_count : details.task_count;
    if (count++ == 0)
      shown = 0;
    if (shown++ >= tasks_shown_max)
      continue;
    auto since = time_of_scheduling(from, partition, row, task);
    if (!since)
      return since.error();
    task_details& each = details.tasks.emplace_back();
    each.kind = task.kind;
    each.name = task.name;
    each.since = *since;
    each.attempt = task.attempt;
    each.fire_at = task.fire_at;
    each.child = task.child;
    each.is_left = task.left || (!is_wait && is_finished(row.record.status));
  }
  // The record of a pending instance does not state that the first turn is due.
  details.is_turn_due
    = row.record.turn_due
      || (row.record.status == runtime_status::pending && !waits_for_start);
  return details;
}

/// Reads the rows of the status one after the other. Returns false if a new
/// execution began between two reads, because the rows then do not belong
/// together.
result<bool> read_once(const state_reader& from, partition_id partition,
                       const get_status& request, instance_status& into) {
  auto stored = from.read(partition, request.id);
  if (!stored)
    return stored.error();
  if (!*stored)
    return error{errc::not_found,
                 "There is no instance \"" + request.id
                   + "\"; it was never started here, or has been purged."};
  instance_row& row = into.row;
  row.id = request.id;
  row.record = std::move((*stored)->record);
  row.custom_status = std::move((*stored)->custom_status);
  row.output = "null";
  into.unread_events = unread_event_names(**stored);
  if (request.show_details) {
    auto details = read_details(from, partition, row, **stored);
    if (!details)
      return details.error();
    into.details = std::move(*details);
  }

  // Index 0 is execution_started, so 0 can mean that there is no output.
  const event_index output = row.record.output_event;
  if (request.show_history) {
    auto history = from.history(partition, request.id);
    if (!history)
      return history.error();
    into.history = std::move(*history);
    if (output != 0 && output < into.history.size())
      row.output = output_of(into.history[output]);
  } else if (output != 0) {
    auto ended = from.history(partition, request.id, output, 1);
    if (!ended)
      return ended.error();
    if (!ended->empty())
      row.output = output_of(ended->front());
  }
  // If no more than the record is requested, the first event is not needed. The
  // record is then the only row that names the execution, so there is nothing
  // to compare it with.
  if (!request.show_input && !request.show_history && !request.show_details)
    return true;
  std::vector<history_event> first;
  if (request.show_history) {
    if (!into.history.empty())
      first.push_back(into.history.front());
  } else {
    auto read = from.history(partition, request.id, 0, 1);
    if (!read)
      return read.error();
    first = std::move(*read);
  }
  // The instance was purged after the record was read.
  if (first.empty())
    return false;
  // The first event names the execution that the history belongs to.
  const auto* started = std::get_if<execution_started>(&first.front().body);
  if (started == nullptr || started->execution != row.record.execution)
    return false;
  if (request.show_input)
    row.input = started->input;
  return true;
}

} // namespace

std::shared_ptr<const instance_status>
status_after(const stored_instance& now, const instance_write& write) {
  auto status = std::make_shared<instance_status>();
  instance_row& row = status->row;
  row.id = write.id;
  row.record = now.record;
  row.custom_status = now.custom_status;
  row.output = "null";
  if (const event_index output = now.record.output_event; output != 0) {
    if (output < write.history_first
        || output - write.history_first >= write.history.size())
      return nullptr;
    row.output = output_of(write.history[output - write.history_first]);
  }
  status->unread_events = unread_event_names(now);
  return status;
}

result<std::shared_ptr<const instance_status>>
read_status(const state_reader& from, partition_id partition,
            const get_status& request) {
  // The committer thread may commit turns between two reads.
  for (int tries = 0; tries < 8; ++tries) {
    auto status = std::make_shared<instance_status>();
    auto whole = read_once(from, partition, request, *status);
    if (!whole)
      return whole.error();
    if (*whole)
      return std::shared_ptr<const instance_status>(std::move(status));
  }
  return error{errc::unavailable,
               "Instance \"" + request.id
                 + "\" changed during each attempt to read its status; try "
                   "again."};
}

std::shared_ptr<const instance_status>
with_partition_state(const instance_status& status,
                     const durable_partition& durable,
                     const live_instance* live) {
  auto whole = std::make_shared<instance_status>(status);
  if (!whole->details)
    whole->details.emplace();
  instance_details& details = *whole->details;
  details.partition = persistence::index_of(durable.config.id);
  details.node = durable.config.node;
  const auto& record = whole->row.record;
  if (!is_finished(record.status)) {
    const auto* pause = find_pause(durable.meta.rules, record.name);
    if (pause != nullptr && pause->is_paused)
      details.paused = paused_text(*pause);
  }
  if (const auto* tree
      = find_tree(durable.meta.rules, top_of(whole->row.id, record)))
    details.tree_left_in = tree->waits_for;
  if (live != nullptr) {
    details.is_turn_running = live->turn_out;
    details.is_turn_due |= live->start_due;
  }
  return whole;
}

management_answer
answer_with(const instance_id& id,
            result<std::shared_ptr<const instance_status>> status) {
  management_answer answer;
  answer.id = id;
  if (status) {
    answer.status = std::move(*status);
    answer.execution = answer.status->row.record.execution;
  } else {
    answer.code = status.error().code;
    answer.message = status.error().message;
  }
  return answer;
}

} // namespace perdura::actors
