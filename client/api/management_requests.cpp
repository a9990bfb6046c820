// SPDX-License-Identifier: Apache-2.0
#include "client/api/management_requests.hpp"

#include "client/api/request_checks.hpp"
#include "persistence/records/clock.hpp"
#include "persistence/records/identity.hpp"
#include "persistence/records/text.hpp"

namespace perdura::client {

using operation = control_operation;

namespace {

/// The request ID for the partition: "OPERATION/ID", or empty if the caller
/// gave none.
std::string make_request_id(const char* operation, const std::string& given) {
  return given.empty() ? given : operation + ("/" + given);
}

} // namespace

std::string instance_id_of(const start_options& options) {
  if (!options.instance_id.empty())
    return options.instance_id;
  // A repeat with the same request ID must find the instance of the first
  // request, so the instance ID is a function of the request ID. Other
  // generated IDs sort by the time of the start.
  return options.request_id.empty()
           ? persistence::ordered_hex32(persistence::system_clock().now())
           : persistence::hash_hex32(options.request_id);
}

result<actors::start_instance> start_request(std::string_view name,
                                             std::string input,
                                             const start_options& options) {
  if (auto ok = check_request_id(options.request_id); !ok)
    return ok.error();
  actors::start_instance start;
  start.id = instance_id_of(options);
  // A generated ID always passes this check.
  if (auto ok = persistence::check_instance_id(start.id); !ok)
    return ok.error();
  // A restart whose old instance is gone has no name; see
  // `orchestration_client::restart`.
  if (!options.is_restart || !name.empty())
    if (auto ok = check_name(name, "orchestrator"); !ok)
      return ok.error();
  if (auto ok = check_payload(input, "input of \"" + start.id + "\""); !ok)
    return ok.error();
  start.id_is_new = options.instance_id.empty() && options.request_id.empty();
  start.name = name;
  start.version = options.version;
  start.input = std::move(input);
  // The execution ID is set here, so that it does not change if the gateway
  // sends the request again. Execution IDs sort by the time of the start.
  start.execution
    = persistence::ordered_hex32(persistence::system_clock().now());
  start.scheduled_at = options.scheduled_at;
  start.get_or_start = options.get_or_start;
  start.is_restart = options.is_restart;
  start.request = make_request_id(options.is_restart ? "restart" : "start",
                                  options.request_id);
  return start;
}

result<actors::management_request>
event_request(std::string_view instance_id, std::string_view event_name,
              std::string data, const std::string& request_id) {
  auto ok = check_request_id(request_id);
  if (ok)
    ok = check_name(event_name, "event");
  if (ok)
    ok = check_payload(data, "event for \"" + std::string(instance_id) + "\"");
  if (!ok)
    return ok.error();
  // The instance ID is not checked: no instance has an ID that is not valid, so
  // the owner answers errc::not_found.
  actors::raise_event request;
  request.id = instance_id;
  request.name = event_name;
  request.data = std::move(data);
  request.request = make_request_id("event", request_id);
  return actors::management_request(std::move(request));
}

result<actors::start_or_raise>
start_or_raise_request(std::string_view name, std::string_view instance_id,
                       std::string_view event_name, std::string input,
                       std::string data, const start_options& options) {
  const std::string id(instance_id);
  if (options.scheduled_at != point_in_time{})
    return error{errc::invalid_argument,
                 "A start-or-raise request for \"" + id
                   + "\" cannot have a scheduled time: the event is for an "
                     "instance that runs now."};
  if (!options.instance_id.empty() && options.instance_id != id)
    return error{errc::invalid_argument, "The options of the request for \""
                                           + id
                                           + "\" have another instance ID, \""
                                           + options.instance_id + "\"."};
  auto ok = check_request_id(options.request_id);
  if (ok)
    ok = persistence::check_instance_id(instance_id);
  if (ok)
    ok = check_name(name, "orchestrator");
  if (ok)
    ok = check_name(event_name, "event");
  if (ok)
    ok = check_payload(input, "input of \"" + id + "\"");
  if (ok)
    ok = check_payload(data, "event for \"" + id + "\"");
  if (!ok)
    return ok.error();
  actors::start_or_raise request;
  request.id = id;
  request.name = name;
  request.version = options.version;
  request.input = std::move(input);
  // As for a start.
  request.execution
    = persistence::ordered_hex32(persistence::system_clock().now());
  request.event = event_name;
  request.data = std::move(data);
  request.request = make_request_id("start_or_raise", options.request_id);
  return request;
}

result<actors::management_request>
control_request(operation kind, std::string_view instance_id,
                std::string_view reason, bool recursive,
                const std::string& request_id) {
  auto ok = check_reason(reason);
  if (ok)
    ok = check_request_id(request_id);
  if (!ok)
    return ok.error();
  // Copies, because the requests own their text.
  const std::string id(instance_id);
  const std::string why(reason);
  switch (kind) {
  case operation::terminate:
    return actors::management_request(actors::terminate_instance{
      id, why, recursive, make_request_id("terminate", request_id)});
  case operation::suspend:
    return actors::management_request(actors::suspend_instance{
      id, why, make_request_id("suspend", request_id)});
  case operation::resume:
    return actors::management_request(
      actors::resume_instance{id, why, make_request_id("resume", request_id)});
  case operation::rewind:
    return actors::management_request(
      actors::rewind_instance{id, why, make_request_id("rewind", request_id)});
  case operation::release:
    return actors::management_request(actors::release_instance_request{
      id, make_request_id("release", request_id)});
  case operation::purge:
  case operation::purge_by_force:
    break;
  }
  return actors::management_request(
    actors::purge_instance{id, make_request_id("purge", request_id),
                           kind == operation::purge_by_force});
}

result<actors::pause_orchestrator>
pause_request(std::string_view name, bool is_paused, std::string_view reason) {
  auto ok = check_name(name, "orchestrator");
  if (ok)
    ok = check_reason(reason);
  if (!ok)
    return ok.error();
  return actors::pause_orchestrator{
    {}, std::string(name), is_paused, std::string(reason)};
}

} // namespace perdura::client
