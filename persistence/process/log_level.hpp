// SPDX-License-Identifier: Apache-2.0
/// The levels of log lines.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace perdura::persistence {

/// The levels in ascending order. If `off` is the lowest level that is written,
/// no line is written.
enum class log_level : std::uint8_t { debug, info, warning, error, off };

/// The names that the setting log.level accepts, in the order of `log_level`.
inline constexpr std::array<std::string_view, 5> log_level_names{
  "debug", "info", "warning", "error", "off"};

constexpr std::string_view to_string(log_level level) {
  return log_level_names[static_cast<std::size_t>(level)];
}

} // namespace perdura::persistence
