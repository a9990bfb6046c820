// SPDX-License-Identifier: Apache-2.0
#include "client/cli/since_time.hpp"

#include "persistence/records/text.hpp"
#include <perdura/client/api/orchestration_status.hpp>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace perdura::client {

using persistence::errc;
using persistence::error;
using persistence::result;
using persistence::timestamp;

namespace {

/// The seconds of a unit; 0 if there is no such unit.
std::int64_t seconds_of(std::string_view unit) {
  static constexpr std::pair<std::string_view, std::int64_t> units[]
    = {{"s", 1},       {"m", 60},     {"min", 60},
       {"h", 60 * 60}, {"d", 86'400}, {"w", 7 * 86'400}};
  for (const auto& [name, seconds] : units)
    if (persistence::equal_ignoring_case(name, unit))
      return seconds;
  return 0;
}

/// An age of at most about 31,000 years, in seconds; empty if `text` is no age.
std::optional<std::int64_t> parse_age(std::string_view text) {
  constexpr std::int64_t age_max = 1'000'000'000'000;
  if (text.empty())
    return std::nullopt;
  std::int64_t age = 0;
  while (!text.empty()) {
    std::uint64_t number = 0;
    const char* end = text.data() + text.size();
    const auto [rest, failure] = std::from_chars(text.data(), end, number);
    if (failure == std::errc::invalid_argument)
      return std::nullopt;
    if (failure != std::errc())
      number = age_max;
    text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
    const std::size_t letters = std::min(
      text.size(),
      static_cast<std::size_t>(
        std::find_if_not(text.begin(), text.end(), persistence::is_letter)
        - text.begin()));
    const std::int64_t unit = seconds_of(text.substr(0, letters));
    if (unit == 0)
      return std::nullopt;
    text.remove_prefix(letters);
    // Neither the product nor the sum can overflow.
    const auto count = static_cast<std::int64_t>(
      std::min(number, static_cast<std::uint64_t>(age_max)));
    age = std::min(age_max, age + std::min(count, age_max / unit) * unit);
  }
  return age;
}

} // namespace

result<std::string> parse_since(std::string_view text, timestamp now) {
  if (const auto age = parse_age(text)) {
    const auto since = now.time_since_epoch() - std::chrono::seconds(*age);
    return to_iso(timestamp(std::max(since, persistence::duration::zero())));
  }
  if (timestamp at{}; parse_iso(text, at))
    return std::string(text);
  return error{errc::invalid_argument,
               "must be an age like 30m, 1h or 2d, or a time (ISO 8601), not \""
                 + std::string(text) + '"'};
}

} // namespace perdura::client
