// SPDX-License-Identifier: Apache-2.0
/// The values of settings, and how they are written in TOML, in JSON and in
/// sentences.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace perdura::client {

/// The type of a setting and its form in a configuration file.
enum class setting_kind : std::uint8_t {
  text,
  path,   ///< Relative to the directory of the configuration file.
  flag,   ///< true or false.
  count,  ///< A whole number.
  time,   ///< Microseconds; written "250 ms", "30 s", "10 min", "12 h", "30 d".
  bytes,  ///< Written "64 KiB", "1 MiB", or as a whole number of bytes.
  choice, ///< One of a few fixed strings.
  list,   ///< A list of strings.
};

/// bool for a flag; std::int64_t for a count, a time (in microseconds) and a
/// size; std::string for a text, a path and a choice; a vector for a list.
using setting_value
  = std::variant<bool, std::int64_t, std::string, std::vector<std::string>>;

/// Parses a time such as "250 ms" to microseconds. The blank may be missing.
/// @error errc::invalid_argument  The text is not a time. The message is not a
///        whole sentence; the caller puts it after the name of the setting,
///        e.g. `"30" has no unit; …`.
persistence::result<std::int64_t> parse_time(std::string_view text);

/// Parses a size such as "64 KiB" to bytes.
/// @error errc::invalid_argument  As for `parse_time`.
persistence::result<std::int64_t> parse_bytes(std::string_view text);

/// The time or size in the largest unit that gives a whole number, e.g.
/// "90 s".
std::string time_text(std::int64_t microseconds);
std::string bytes_text(std::int64_t bytes);

/// The value without quotes. Times and sizes have their unit.
std::string as_plain(setting_kind kind, const setting_value& value);

/// The value as the right side of a TOML assignment, on one line.
std::string as_toml(setting_kind kind, const setting_value& value);

/// The value as JSON. Times and sizes are strings with their unit.
std::string as_json(setting_kind kind, const setting_value& value);

} // namespace perdura::client
