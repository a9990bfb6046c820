// SPDX-License-Identifier: Apache-2.0
#include "client/api/management_answers.hpp"

namespace perdura::client {

using actors::management_answer;

namespace {

error error_of(const management_answer& answer) {
  return {answer.code, answer.message};
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
  return started_instance{answer.id, answer.started, answer.created_at};
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

} // namespace perdura::client
