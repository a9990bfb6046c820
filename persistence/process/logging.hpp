// SPDX-License-Identifier: Apache-2.0
/// Log lines for the operator, written to stderr, and the audit log. Each
/// line shows the time (UTC), the level, the channel and the text.
///
/// All functions are thread-safe.
#pragma once

#include "persistence/process/log_level.hpp"
#include <perdura/persistence/records/error.hpp>
#include <perdura/persistence/records/ids.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace perdura::persistence {

/// The part of the program that writes a line.
enum class log_channel : std::uint8_t {
  persistence,
  actors,
  cluster,
  client,
  audit, ///< One line for each management operation, at the level `info`.
};

/// Sets the lowest level that is written; lines below it are dropped. The
/// initial level is `info`.
void set_log_level(log_level level);

/// Writes audit lines from now on to this file and nowhere else, whatever the
/// log level is. The file is created with mode 0600. At 64 MiB it is renamed
/// and a new one is begun; eight old files are kept. To be called before the
/// first audit line is written.
/// @error errc::invalid_argument  The file cannot be written.
result<void> open_audit_file(const std::filesystem::path& file);

/// True if a line of this channel and level would be written. Callers use it
/// to avoid building a text that is then dropped.
bool is_logged(log_channel channel, log_level level);

/// Writes one line. Control characters in `text` are escaped, so that a text
/// from outside that contains a line break cannot forge a second line.
void log(log_channel channel, log_level level, std::string_view text);

/// A line that was logged at the level `error`.
struct logged_error {
  timestamp at{};
  std::string text; ///< Empty means that no such line was logged.
};

/// The newest line at the level `error`, even if the log level is `off`.
logged_error newest_error();

/// Writes the line with which the process ends, whatever the log level is, and
/// flushes it; see process_end.hpp.
void log_last_line(std::string_view text);

} // namespace perdura::persistence
