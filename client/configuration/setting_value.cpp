// SPDX-License-Identifier: Apache-2.0
#include "client/configuration/setting_value.hpp"

#include "persistence/records/text.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <charconv>
#include <limits>

namespace perdura::client {

using persistence::errc;
using persistence::error;
using persistence::result;

namespace {

/// A unit of time or size, in microseconds or bytes.
struct unit {
  std::string_view name;
  std::int64_t size;
};

// From the largest to the smallest: a value is shown in the first unit that
// gives a whole number.
constexpr std::array<unit, 7> time_units{{{"d", 86'400'000'000},
                                          {"h", 3'600'000'000},
                                          {"min", 60'000'000},
                                          {"s", 1'000'000},
                                          {"ms", 1'000},
                                          {"us", 1},
                                          {"µs", 1}}};
constexpr std::array<unit, 5> byte_units{{{"TiB", std::int64_t{1} << 40},
                                          {"GiB", std::int64_t{1} << 30},
                                          {"MiB", std::int64_t{1} << 20},
                                          {"KiB", std::int64_t{1} << 10},
                                          {"B", 1}}};

// The end of the sentence that refuses a time or a size.
constexpr std::string_view time_example
  = R"(write it like "250 ms", "30 s", "10 min", "12 h" or "30 d")";
constexpr std::string_view bytes_example
  = R"(write it like "64 KiB", "1 MiB" or 65536)";

/// Parses a whole number, optional blanks, and a unit. Refuses negative numbers
/// and products that do not fit in 64 bits.
template <std::size_t N>
result<std::int64_t> parse_units(std::string_view text,
                                 const std::array<unit, N>& units,
                                 std::string_view example) {
  // The caller puts the name of the setting before this error message.
  const auto bad = [&](std::string_view why) {
    return error{errc::invalid_argument, '"' + std::string(text) + "\" "
                                           + std::string(why) + "; "
                                           + std::string(example)};
  };
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data(), end, number);
  if (failure == std::errc::result_out_of_range)
    return bad("is too large");
  // `from_chars` accepts a minus sign, but no plus sign and no blanks.
  if (failure != std::errc() || number < 0)
    return bad("does not begin with a whole number");
  std::string_view name(rest, static_cast<std::size_t>(end - rest));
  while (name.starts_with(' '))
    name.remove_prefix(1);
  if (name.empty())
    return bad("has no unit");
  for (const unit& each : units) {
    if (each.name != name)
      continue;
    // Checked before the multiplication, which must not overflow.
    if (number > std::numeric_limits<std::int64_t>::max() / each.size)
      return bad("is too large");
    return number * each.size;
  }
  return bad("has an unknown unit");
}

/// The value in the first unit that divides it.
template <std::size_t N>
std::string in_units(std::int64_t value, const std::array<unit, N>& units) {
  for (const unit& each : units)
    // One unit has the size 1, so the loop always returns.
    if (value % each.size == 0)
      return std::to_string(value / each.size) + ' ' + std::string(each.name);
  return std::to_string(value);
}

/// The text as a basic string of TOML, with escapes.
std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    // TOML has short escapes for these characters; other control characters
    // need the form \u00HH.
    // @source TOML 1.0, section String.
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (persistence::is_control(c)) {
      out += "\\u00";
      persistence::append_hex(out, static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

} // namespace

result<std::int64_t> parse_time(std::string_view text) {
  return parse_units(text, time_units, time_example);
}

result<std::int64_t> parse_bytes(std::string_view text) {
  return parse_units(text, byte_units, bytes_example);
}

std::string time_text(std::int64_t microseconds) {
  // Every unit divides 0; without this case it would be shown as "0 d".
  return microseconds == 0 ? "0 s" : in_units(microseconds, time_units);
}

std::string bytes_text(std::int64_t bytes) {
  return bytes == 0 ? "0 B" : in_units(bytes, byte_units);
}

std::string as_plain(setting_kind kind, const setting_value& value) {
  // The type of the value determines the form of the text; `kind` is needed
  // only to choose the unit of a number.
  if (const auto* flag = std::get_if<bool>(&value))
    return *flag ? "true" : "false";
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    if (kind == setting_kind::time)
      return time_text(*number);
    if (kind == setting_kind::bytes)
      return bytes_text(*number);
    return std::to_string(*number);
  }
  if (const auto* text = std::get_if<std::string>(&value))
    return *text;
  std::string all;
  for (const std::string& each : std::get<std::vector<std::string>>(value))
    all += (all.empty() ? "" : ", ") + each;
  return all;
}

std::string as_toml(setting_kind kind, const setting_value& value) {
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
    std::string all;
    for (const std::string& each : *texts)
      all += (all.empty() ? "" : ", ") + toml_string(each);
    return '[' + all + ']';
  }
  // Flags and counts are written without quotes; all others are TOML strings.
  const std::string plain = as_plain(kind, value);
  return kind == setting_kind::flag || kind == setting_kind::count
           ? plain
           : toml_string(plain);
}

std::string as_json(setting_kind kind, const setting_value& value) {
  nlohmann::json out;
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value))
    out = *texts;
  else if (kind == setting_kind::flag)
    out = std::get<bool>(value);
  else if (kind == setting_kind::count)
    out = std::get<std::int64_t>(value);
  else
    out = as_plain(kind, value);
  // A path may hold bytes that are not UTF-8; JSON may not.
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

} // namespace perdura::client
