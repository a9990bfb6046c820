#include "client/api/request_checks.hpp"

#include "actors/authoring/json_text_check.hpp"
#include "persistence/records/identity.hpp"
#include "persistence/views/queries.hpp"

namespace perdura::client {

result<void> check_name(std::string_view name, std::string_view what) {
  const auto bad = [&](const char* why) {
    return error{errc::invalid_name,
                 "The name of an " + std::string(what) + " " + why + "."};
  };
  if (name.empty())
    return bad("may not be empty");
  if (name.size() > actors::name_bytes_max)
    return bad("has at most 256 bytes");
  if (!persistence::is_utf8(name))
    return bad("must be valid UTF-8");
  for (const char c : name)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      return bad("may not hold control characters");
  return {};
}

result<void> check_payload(std::string_view text, const std::string& place) {
  auto ok = actors::check_json(text, actors::payload_bytes_max,
                               actors::payload_depth_max);
  if (!ok)
    return error{ok.code(), "The " + place + ": " + ok.error().message};
  return {};
}

result<void> check_reason(std::string_view reason) {
  if (reason.size() > reason_bytes_max)
    return error{errc::invalid_argument,
                 "A reason has at most 1,024 bytes (reason_bytes_max); this "
                 "one has "
                   + std::to_string(reason.size()) + "."};
  if (!persistence::is_utf8(reason))
    return error{errc::invalid_argument, "A reason must be valid UTF-8."};
  return {};
}

result<void> check_request(const std::string& request) {
  if (request.size() > request_id_bytes_max)
    return error{errc::invalid_argument,
                 "A request_id (Idempotency-Key) has at most 256 bytes "
                 "(request_id_bytes_max); this one has "
                   + std::to_string(request.size()) + "."};
  if (!persistence::is_utf8(request))
    return error{errc::invalid_argument, "A request_id must be valid UTF-8."};
  return {};
}

result<void> check_filter(const instance_filter& filter) {
  if (filter.top < 1 || filter.top > persistence::page_rows_max)
    return error{errc::invalid_argument,
                 "A page has 1 to 1,000 instances (top); "
                   + std::to_string(filter.top) + " were asked for."};
  if (filter.created_from && filter.created_to
      && *filter.created_from > *filter.created_to)
    return error{errc::invalid_argument,
                 "createdTimeFrom is after createdTimeTo: nothing can match."};
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
                 "A wait takes at most 300 s (wait_time_max)."};
  if (retry_interval > time_out)
    return error{errc::invalid_argument,
                 "The retry interval (" + std::to_string(retry_interval.count())
                   + " ms) is longer than the time-out ("
                   + std::to_string(time_out.count()) + " ms)."};
  return {};
}

} // namespace perdura::client
