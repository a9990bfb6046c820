#include "client/api/management_requests.hpp"

#include "client/api/request_checks.hpp"
#include "persistence/records/clock.hpp"
#include "persistence/records/identity.hpp"

namespace perdura::client {

using operation = orchestration_client::operation;

namespace {

/// Every request can be repeated safely, also by those who gave no number.
/// One number given to two kinds of operation means two requests.
std::string request_of(const char* operation, const std::string& request) {
  return operation
         + ("/" + (request.empty() ? persistence::random_hex32() : request));
}

} // namespace

result<actors::start_instance> start_request(std::string_view name,
                                             std::string input,
                                             const start_options& options) {
  actors::start_instance start;
  start.id = options.instance_id;
  const auto now = persistence::system_clock().now();
  if (auto ok = check_request(options.request_id); !ok)
    return ok.error();
  // A repeat must find what the first one made, so it has the same ID.
  if (start.id.empty())
    start.id = options.request_id.empty()
                 ? persistence::ordered_hex32(now)
                 : persistence::hash_hex32(options.request_id);
  if (auto ok = persistence::check_instance_id(start.id); !ok)
    return ok.error();
  if (auto ok = check_name(name, "orchestrator"); !ok)
    return ok.error();
  if (auto ok = check_payload(input, "input of \"" + start.id + "\""); !ok)
    return ok.error();
  start.name = name;
  start.version = options.version;
  start.input = std::move(input);
  start.execution = persistence::ordered_hex32(now);
  start.scheduled_at = options.scheduled_at;
  start.get_or_start = options.get_or_start;
  start.request = request_of("start", options.request_id);
  return start;
}

result<actors::management_request>
event_request(std::string_view instance_id, std::string_view event_name,
              std::string data, const std::string& request_id) {
  auto ok = check_request(request_id);
  if (ok)
    ok = check_name(event_name, "event");
  if (ok)
    ok = check_payload(data, "event for \"" + std::string(instance_id) + "\"");
  if (!ok)
    return ok.error();
  actors::raise_event request;
  request.id = instance_id;
  request.name = event_name;
  request.data = std::move(data);
  request.request = request_of("event", request_id);
  return actors::management_request(std::move(request));
}

result<actors::management_request>
control_request(operation what, std::string_view instance_id,
                std::string_view reason, bool recursive,
                const std::string& request_id) {
  auto ok = check_reason(reason);
  if (ok)
    ok = check_request(request_id);
  if (!ok)
    return ok.error();
  const std::string id(instance_id);
  const std::string why(reason);
  switch (what) {
  case operation::terminate:
    return actors::management_request(actors::terminate_instance{
      id, why, recursive, request_of("terminate", request_id)});
  case operation::suspend:
    return actors::management_request(
      actors::suspend_instance{id, why, request_of("suspend", request_id)});
  case operation::resume:
    return actors::management_request(
      actors::resume_instance{id, why, request_of("resume", request_id)});
  case operation::rewind:
    return actors::management_request(
      actors::rewind_instance{id, why, request_of("rewind", request_id)});
  case operation::purge:
    break;
  }
  return actors::management_request(actors::purge_instance{id});
}

} // namespace perdura::client
