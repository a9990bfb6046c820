/// What a setting can hold, and how it is written: in TOML, on the command
/// line, in a sentence.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace perdura::client {

enum class setting_kind : std::uint8_t {
  text,
  path,   ///< Relative ones begin at the configuration file's directory.
  flag,   ///< true or false.
  count,  ///< A whole number.
  time,   ///< Microseconds; written "250 ms", "30 s", "10 min", "12 h", "30 d".
  bytes,  ///< Written "64 KiB", "1 MiB", or as a whole number of bytes.
  choice, ///< One of a few words.
  list,   ///< Of texts.
};

/// A flag, a number of any kind, a text, path or choice, a list.
using setting_value
  = std::variant<bool, std::int64_t, std::string, std::vector<std::string>>;

/// Microseconds. A blank before the unit may be left out.
/// @error errc::invalid_argument  The sentence's end: `"30" has no unit …`.
persistence::result<std::int64_t> parse_time(std::string_view text);

/// @error errc::invalid_argument  Likewise.
persistence::result<std::int64_t> parse_bytes(std::string_view text);

/// In the largest unit that leaves a whole number, e.g. "90 s".
std::string time_text(std::int64_t microseconds);
std::string bytes_text(std::int64_t bytes);

/// As it stands in a sentence: without quotes for numbers.
std::string as_plain(setting_kind kind, const setting_value& value);

/// As it stands behind a `=`; one line.
std::string as_toml(setting_kind kind, const setting_value& value);

/// Likewise behind a `:` of JSON; times and sizes are texts with their unit.
std::string as_json(setting_kind kind, const setting_value& value);

} // namespace perdura::client
