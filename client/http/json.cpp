// SPDX-License-Identifier: Apache-2.0
#include "client/http/json.hpp"

#include "actors/authoring/json_text_check.hpp"

namespace perdura::client {

using actors::json_string;
using persistence::errc;

namespace {

/// The status code of an error. Codes that are not listed are defects or
/// storage errors and get 500.
int status_code_of(errc code) {
  switch (code) {
  case errc::not_found:
    return 404;
  case errc::already_exists:
    return 409;
  // "Gone": the instance exists but accepts no more operations.
  case errc::already_finished:
    return 410;
  case errc::not_failed:
  case errc::not_finished:
    return 412;
  // The key was used for a request with another content.
  // @source IETF draft "The Idempotency-Key HTTP Header Field", section 2.7.
  case errc::request_id_reused:
    return 422;
  // The request itself is wrong; a repeat would fail too.
  case errc::unknown_orchestrator:
  case errc::unknown_activity:
  case errc::invalid_instance_id:
  case errc::invalid_name:
  case errc::invalid_json:
  case errc::json_too_deep:
  case errc::invalid_argument:
    return 400;
  case errc::unauthorized:
    return 401;
  case errc::forbidden:
    return 403;
  case errc::payload_too_large:
    return 413;
  case errc::limit_exceeded:
    return 429;
  // The node cannot serve the request now; a repeat may succeed.
  case errc::unavailable:
  case errc::shutting_down:
  case errc::overloaded:
  case errc::cancelled:
    return 503;
  // The operation may have been done or not.
  case errc::timed_out:
  case errc::unknown_outcome:
    return 504;
  case errc::storage_full:
    return 507;
  case errc::unsupported:
    return 501;
  default:
    return 500;
  }
}

} // namespace

std::string to_json(const actors::management_payload& payload) {
  // @source Durable Functions, HttpManagementPayload.
  std::string out = "{\"id\":" + json_string(payload.id);
  const auto add = [&out](const char* key, const std::string& value) {
    out += ",\"";
    out += key;
    out += "\":";
    out += json_string(value);
  };
  add("statusQueryGetUri", payload.status_query_get_uri);
  add("sendEventPostUri", payload.send_event_post_uri);
  add("terminatePostUri", payload.terminate_post_uri);
  add("rewindPostUri", payload.rewind_post_uri);
  add("purgeHistoryDeleteUri", payload.purge_history_delete_uri);
  add("restartPostUri", payload.restart_post_uri);
  add("suspendPostUri", payload.suspend_post_uri);
  add("resumePostUri", payload.resume_post_uri);
  return out + '}';
}

// The member Code is an addition of Perdura.
std::string to_json(const persistence::error& failure) {
  return "{\"Message\":" + json_string(failure.message) + ",\"Code\":"
         + json_string(persistence::to_string(failure.code)) + '}';
}

std::string to_json(const std::vector<orchestration_status>& instances) {
  // The text holds the whole page in memory; a page has at most 1,000
  // instances.
  std::string out = "[";
  for (const orchestration_status& each : instances) {
    if (out.size() > 1)
      out += ',';
    out += to_json(each);
  }
  return out + ']';
}

http_response to_response(const persistence::error& failure) {
  http_response response{status_code_of(failure.code), to_json(failure)};
  // The caller may repeat the request after one second.
  if (response.status == 503)
    response.headers.push_back({"Retry-After", "1"});
  return response;
}

std::string reason_json(const cluster::unready_reason& reason) {
  return "{\"code\":" + json_string(reason.code)
         + ",\"message\":" + json_string(reason.message) + '}';
}

http_response
readiness_response(const std::vector<cluster::unready_reason>& reasons) {
  if (reasons.empty())
    return {200, R"({"status":"ready"})"};
  http_response response{503, R"({"status":"not ready","reasons":[)"};
  for (const cluster::unready_reason& each : reasons)
    response.body += (&each == &reasons.front() ? "" : ",") + reason_json(each);
  response.body += "]}";
  response.headers.push_back({"Retry-After", "1"});
  return response;
}

} // namespace perdura::client
