/// What a node tells its operator: one logger a room, lines on stderr.
#pragma once

#include <perdura/persistence/records/error.hpp>
#include <perdura/persistence/records/ids.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace perdura::persistence {

enum class log_room : std::uint8_t {
  persistence,
  actors,
  cluster,
  client,
  audit, ///< One line per management operation, at `info`.
};

enum class log_level : std::uint8_t { debug, info, warning, error, off };

/// Everything below `level` is dropped. `info` until it is called.
void set_log_level(log_level level);

/// Audit lines go to this file (made with mode 0600) whatever the level is,
/// and to no other place. At 64 MiB it is moved aside; eight old ones are
/// kept. Before anything is logged there.
/// @error errc::invalid_argument  It cannot be written.
result<void> open_audit_file(const std::filesystem::path& file);

bool logs(log_room room, log_level level);

/// One line. Control characters in `text` are escaped, so that a reason or an
/// ID that holds a line break cannot forge a second line.
void log(log_room room, log_level level, std::string_view text);

struct logged_error {
  timestamp at{};
  std::string text; ///< Empty: there was none.
};

/// The newest line at `error`, whether it was shown or not.
logged_error newest_error();

/// Says why on stderr and ends the process at once, without destructors:
/// after a failed sync nothing that is in memory may be trusted, and the next
/// start recovers what is durable.
[[noreturn]] void end_process(std::string_view why);

} // namespace perdura::persistence
