#include "client/configuration/setting_value.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <charconv>
#include <limits>

namespace perdura::client {

using persistence::errc;
using persistence::error;
using persistence::result;

namespace {

struct unit {
  std::string_view name;
  std::int64_t size;
};

// The largest first: a value is shown in the first that fits.
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

constexpr std::string_view time_example
  = R"(write it like "250 ms", "30 s", "10 min", "12 h" or "30 d")";
constexpr std::string_view bytes_example
  = R"(write it like "64 KiB", "1 MiB" or 65536)";

template <std::size_t N>
result<std::int64_t> parse_units(std::string_view text,
                                 const std::array<unit, N>& units,
                                 std::string_view example) {
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
    if (number > std::numeric_limits<std::int64_t>::max() / each.size)
      return bad("is too large");
    return number * each.size;
  }
  return bad("has an unknown unit");
}

template <std::size_t N>
std::string in_units(std::int64_t value, const std::array<unit, N>& units) {
  for (const unit& each : units)
    if (value % each.size == 0)
      return std::to_string(value / each.size) + ' ' + std::string(each.name);
  return std::to_string(value);
}

/// A basic string of TOML.
std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      constexpr std::string_view digits = "0123456789ABCDEF";
      out += "\\u00";
      out += digits[byte >> 4U];
      out += digits[byte & 0xFU];
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
  return microseconds == 0 ? "0 s" : in_units(microseconds, time_units);
}

std::string bytes_text(std::int64_t bytes) {
  return bytes == 0 ? "0 B" : in_units(bytes, byte_units);
}

std::string as_plain(setting_kind kind, const setting_value& value) {
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
  // A path may hold any bytes; JSON may not.
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

} // namespace perdura::client
