// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/status_reader.hpp"

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
  // If neither the input nor the history is requested, the first event is not
  // needed. The record is then the only row that names the execution, so there
  // is nothing to compare it with.
  if (!request.show_input && !request.show_history)
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
