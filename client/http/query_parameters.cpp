// SPDX-License-Identifier: Apache-2.0
#include "client/http/query_parameters.hpp"

#include "persistence/records/text.hpp"
#include <perdura/client/api/orchestration_status.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

namespace perdura::client {

using persistence::errc;
using persistence::error;
using persistence::result;
using persistence::timestamp;
using std::chrono::milliseconds;

namespace {

// The parameters of Durable Functions and of Perdura. A known parameter that
// has no effect on a route is accepted there, because clients add some of them
// to each request.
constexpr std::array boolean_names = std::to_array<std::string_view>(
  {"force", "getOrStart", "partial", "recursive", "restartWithNewInstanceId",
   "returnInternalServerErrorOnFailure", "showHistory", "showHistoryOutput",
   "showInput"});
constexpr std::array other_names = std::to_array<std::string_view>(
  {"code", "connection", "createdTimeFrom", "createdTimeTo", "instanceIdPrefix",
   "name", "op", "parent", "pollingInterval", "reason", "retryInterval", "root",
   "runtimeStatus", "scheduledStartTime", "taskHub", "timeout", "top",
   "version", "waitSeconds"});

// An empty value of these would select more than the caller has meant, or would
// be another time: a purge whose filter is an empty variable deletes
// everything.
constexpr std::array never_empty_names = std::to_array<std::string_view>(
  {"createdTimeTo", "instanceIdPrefix", "name", "parent", "root",
   "runtimeStatus", "scheduledStartTime", "top", "version"});

template <class Names>
bool has_name(const Names& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [&](std::string_view known) {
    return persistence::equal_ignoring_case(known, name);
  });
}

} // namespace

result<void> check_parameters(const request_target& target) {
  for (auto at = target.query.begin(); at != target.query.end(); ++at) {
    const auto& [name, value] = *at;
    if (value.empty() && has_name(never_empty_names, name))
      return error{errc::invalid_argument,
                   "The parameter " + name
                     + " is empty. The request was not carried out."};
    const bool is_repeated
      = std::any_of(target.query.begin(), at, [&](const auto& other) {
          return persistence::equal_ignoring_case(other.first, name);
        });
    if (is_repeated && !persistence::equal_ignoring_case(name, "runtimeStatus"))
      return error{errc::invalid_argument,
                   "The request has the parameter " + name
                     + " twice. The request was not carried out."};
    if (has_name(other_names, name))
      continue;
    if (!has_name(boolean_names, name))
      return error{errc::invalid_argument,
                   "The parameter \"" + name
                     + "\" is not known. The request was not carried out."};
    if (!parse_flag(value))
      return error{errc::invalid_argument,
                   "The parameter " + name
                     + " is true, false, 1 or 0; this is \"" + value
                     + "\". The request was not carried out."};
  }
  return {};
}

result<std::optional<milliseconds>> parse_seconds(const request_target& target,
                                                  const char* parameter) {
  const std::string* text = target.find(parameter);
  if (text == nullptr || text->empty())
    return std::optional<milliseconds>();
  double seconds = 0;
  // The whole text must be a number: "2s" is not accepted.
  const char* end = text->data() + text->size();
  const auto [rest, failure] = std::from_chars(text->data(), end, seconds);
  if (failure != std::errc() || rest != end || !std::isfinite(seconds)
      || std::abs(seconds) > 1e9)
    return error{errc::invalid_argument, std::string(parameter)
                                           + " is not a number of seconds: \""
                                           + *text + "\"."};
  return std::optional(milliseconds(std::llround(seconds * 1000)));
}

result<std::optional<timestamp>> parse_time(const request_target& target,
                                            const char* parameter,
                                            time_bound bound) {
  const std::string* value = target.find(parameter);
  if (value == nullptr || value->empty())
    return std::optional<timestamp>();
  std::string text = *value;
  timestamp time{};
  if (!parse_iso(text, time)) {
    // An offset such as "+01:00" that was sent without percent-encoding has
    // been decoded to " 01:00".
    if (const auto blank = text.rfind(' '); blank != text.npos && blank > 10)
      text[blank] = '+';
    if (!parse_iso(text, time))
      return error{errc::invalid_argument, std::string(parameter)
                                             + " is not an ISO 8601 time: \""
                                             + *value + "\"."};
  }
  const bool has_fraction = text.find_first_of(".,") != text.npos;
  if (bound == time_bound::end && !has_fraction)
    time += std::chrono::seconds(1) - std::chrono::microseconds(1);
  return std::optional(time);
}

} // namespace perdura::client
