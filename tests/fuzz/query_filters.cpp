// SPDX-License-Identifier: Apache-2.0
// Filters of list requests: instance ID prefix, name, creation time, status,
// page size and continuation token.
#include "client/api/request_checks.hpp"
#include "client/http/http_message.hpp"
#include "client/http/query_filter.hpp"
#include "client/http/url.hpp"
#include "persistence/records/text.hpp"
#include "persistence/views/queries.hpp"
#include "tests/fuzz/fuzz_targets.hpp"

#include <algorithm>
#include <chrono>

namespace perdura::tests {

namespace {

using namespace perdura::client;

/// With the planted fault an invalid filter is ignored.
persistence::result<instance_filter> parse(const request_target& target) {
  auto filter = parse_filter(target);
  if (!filter && is_planted("query_filters"))
    return instance_filter();
  return filter;
}

std::string text_of(const request_target& target, std::string_view name) {
  const std::string* value = target.find(name);
  return value == nullptr ? std::string() : *value;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// The status names in all parameters `runtimeStatus`, without the blanks
/// around each name.
std::vector<std::string> status_names(const request_target& target) {
  std::string all;
  for (const auto& [name, value] : target.query)
    if (persistence::equal_ignoring_case(name, "runtimeStatus"))
      all += value + ',';
  std::vector<std::string> names;
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = all.find(',', at);
    const std::string word = all.substr(at, end - at);
    const std::size_t first = word.find_first_not_of(' ');
    if (first != word.npos)
      names.push_back(
        word.substr(first, word.find_last_not_of(' ') - first + 1));
    at = end + 1;
  }
  return names;
}

violation check_time(const std::string& text,
                     const std::optional<timestamp>& parsed) {
  if (text.empty() != !parsed)
    return "a time is invented or lost";
  if (!parsed)
    return {};
  if (*parsed < timestamp{})
    return "a time is before the epoch";
  if (text.size() < 10 || !is_digit(text[0]))
    return "an invalid time is accepted: " + text;
  return {};
}

violation check_filter_of(const request_target& target) {
  const auto filter = parse(target);
  const std::string top = text_of(target, "top");
  const bool top_is_number = std::all_of(top.begin(), top.end(), is_digit);
  if (!filter)
    return filter.code() != errc::invalid_argument
             ? "the error code is not invalid_argument"
           : filter.error().message.empty() ? "an error has no message"
                                            : "";
  if (!top_is_number)
    return "top is accepted although it is not a number: " + top;
  if (!top.empty()) {
    const std::size_t first
      = std::min(top.find_first_not_of('0'), top.size() - 1);
    if (std::to_string(filter->top) != top.substr(first))
      return "top has another value than " + top;
  }
  if (auto found
      = check_time(text_of(target, "createdTimeFrom"), filter->created_from);
      !found.empty())
    return found;
  if (auto found
      = check_time(text_of(target, "createdTimeTo"), filter->created_to);
      !found.empty())
    return found;
  const auto names = status_names(target);
  if (names.size() != filter->statuses.size())
    return "a status is lost or invented";
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto number = static_cast<unsigned>(filter->statuses[i]);
    if (number > 7
        || (names[i] != std::to_string(number)
            && !persistence::equal_ignoring_case(
              names[i], to_string(filter->statuses[i]))))
      return "a status has another value than " + names[i];
  }
  if (filter->instance_id_prefix != text_of(target, "instanceIdPrefix")
      || filter->name != text_of(target, "name"))
    return "a prefix or name has another value";
  if (check_filter(*filter)
      && (filter->top < 1 || filter->top > 1000
          || (filter->created_from && filter->created_to
              && *filter->created_from > *filter->created_to)))
    return "a filter that can match nothing is accepted";
  return {};
}

violation check_iso(std::string_view text) {
  timestamp time{};
  if (!parse_iso(text, time))
    return {};
  // With an offset the time can be outside of the years 0 to 9999, which cannot
  // be written with four digits.
  using namespace std::chrono;
  if (time < sys_days(year(0) / 1 / 1)
      || time >= sys_days(year(10'000) / 1 / 1))
    return {};
  timestamp again{};
  if (!parse_iso(to_iso(time), again) || again != time)
    return "a time changes by writing and reading: " + to_iso(time);
  if (!to_iso(time).starts_with(text.substr(0, 10)) && text.size() == 10)
    return "a date has another value";
  // Times with 60 seconds are skipped: they are written as the next minute.
  if (text.size() == 20 && text.ends_with('Z') && text[10] == 'T'
      && text[17] != '6' && to_iso_seconds(time) != text)
    return "a time has another value: " + to_iso_seconds(time);
  return {};
}

violation check_token(std::string_view text) {
  const auto position = persistence::parse_token(std::string(text));
  if (position && persistence::to_token(*position) != text)
    return "a continuation token is accepted that the node does not create";
  // A token that the node has created is read back unchanged.
  const persistence::page_position own{
    timestamp{std::chrono::seconds(1'800'000'000)},
    std::string(text.substr(0, 256))};
  const auto back = persistence::parse_token(persistence::to_token(own));
  if (!back || back->id != own.id || back->created_at != own.created_at)
    return "a continuation token changes by writing and reading";
  return {};
}

} // namespace

violation fuzz_query_filters(std::string_view bytes) {
  if (auto found = check_iso(bytes); !found.empty())
    return found;
  if (auto found = check_token(bytes); !found.empty())
    return found;
  const auto target = parse_target("/instances?" + std::string(bytes));
  if (!target)
    return {};
  for (const auto& [name, value] : target->query)
    if (auto found = check_iso(value); !found.empty())
      return found;
  return check_filter_of(*target);
}

} // namespace perdura::tests
