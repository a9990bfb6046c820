// SPDX-License-Identifier: Apache-2.0
#include "client/api/request_checks.hpp"

#include "actors/authoring/json_text_check.hpp"
#include "persistence/records/identity.hpp"
#include "persistence/records/text.hpp"
#include "persistence/views/queries.hpp"

namespace perdura::client {

result<void> check_name(std::string_view name, std::string_view what) {
  const auto bad = [&](const char* why) {
    return error{errc::invalid_name,
                 "The name of an " + std::string(what) + " " + why + "."};
  };
  // The registry and the orchestration engine check names by the same rule. So
  // an orchestrator can be registered under every accepted name, and an
  // orchestrator can wait for an event with every accepted name.
  switch (persistence::fault_of_name(name)) {
  case persistence::name_fault::none:
    return {};
  case persistence::name_fault::empty:
    return bad("may not be empty");
  case persistence::name_fault::too_long:
    return bad("may have at most 256 bytes");
  case persistence::name_fault::not_utf8:
    return bad("must be valid UTF-8");
  case persistence::name_fault::control_character:
    return bad("may not hold control characters");
  }
  return {};
}

result<void> check_payload(std::string_view text, const std::string& place) {
  // One pass over the text checks size, syntax and depth; no tree is built.
  auto ok = actors::check_json(text, actors::payload_bytes_max,
                               actors::payload_depth_max);
  if (!ok)
    // The message of `check_json` does not name the payload, so `place` is put
    // before the message.
    return error{ok.code(), "The " + place + ": " + ok.error().message};
  return {};
}

// The reason is plain text, not JSON; the owner stores it as a JSON string.
result<void> check_reason(std::string_view reason) {
  if (reason.size() > reason_bytes_max)
    return error{errc::invalid_argument,
                 "A reason may have at most 1,024 bytes (reason_bytes_max); "
                 "this one has "
                   + std::to_string(reason.size()) + "."};
  if (!persistence::is_utf8(reason))
    return error{errc::invalid_argument, "A reason must be valid UTF-8."};
  return {};
}

// An empty ID is valid: the client then generates one.
result<void> check_request_id(const std::string& request) {
  if (request.size() > request_id_bytes_max)
    return error{errc::invalid_argument,
                 "A request_id (Idempotency-Key) may have at most 256 bytes "
                 "(request_id_bytes_max); this one has "
                   + std::to_string(request.size()) + "."};
  if (!persistence::is_utf8(request))
    return error{errc::invalid_argument, "A request_id must be valid UTF-8."};
  return {};
}

result<void> check_filter(const instance_filter& filter) {
  if (filter.top < 1 || filter.top > persistence::page_rows_max)
    return error{errc::invalid_argument,
                 "A page can have 1 to 1,000 instances (top); "
                   + std::to_string(filter.top) + " were requested."};
  // An empty range is most likely a mistake, so the query fails instead of
  // returning an empty page.
  if (filter.created_from && filter.created_to
      && *filter.created_from > *filter.created_to)
    return error{errc::invalid_argument,
                 "createdTimeFrom is after createdTimeTo: no instance can "
                 "match."};
  return {};
}

result<void> check_time_out(std::chrono::milliseconds time_out) {
  if (time_out < std::chrono::milliseconds(0))
    return error{errc::invalid_argument,
                 "A time-out may not be negative; this one is "
                   + std::to_string(time_out.count()) + " ms."};
  return {};
}

result<void> check_wait(std::chrono::milliseconds time_out,
                        std::chrono::milliseconds retry_interval) {
  using std::chrono::milliseconds;
  if (time_out < milliseconds(0) || retry_interval < milliseconds(0))
    return error{errc::invalid_argument,
                 "A time-out and a retry interval may not be negative."};
  if (time_out > wait_time_max)
    return error{errc::invalid_argument,
                 "A wait may take at most 300 s (wait_time_max)."};
  // Durable Functions has this rule. It is kept although this client does not
  // poll.
  // @source WaitForCompletionOrCreateCheckStatusResponse.
  if (retry_interval > time_out)
    return error{errc::invalid_argument,
                 "The retry interval (" + std::to_string(retry_interval.count())
                   + " ms) is longer than the time-out ("
                   + std::to_string(time_out.count()) + " ms)."};
  return {};
}

} // namespace perdura::client
