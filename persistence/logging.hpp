/// What a node tells its operator: one logger a room, lines on stderr.
#pragma once

#include <cstdint>
#include <string_view>

namespace perdura::persistence {

enum class log_room : std::uint8_t {
  persistence,
  actors,
  cluster,
  client,
  audit, ///< One line per management operation; never below `info`.
};

enum class log_level : std::uint8_t { debug, info, warning, error, off };

/// Everything below `level` is dropped. `info` until it is called.
void set_log_level(log_level level);

bool logs(log_room room, log_level level);

/// One line. Control characters in `text` are escaped, so that a reason or an
/// ID that holds a line break cannot forge a second line.
void log(log_room room, log_level level, std::string_view text);

/// Says why on stderr and ends the process at once, without destructors:
/// after a failed sync nothing that is in memory may be trusted, and the next
/// start recovers what is durable.
[[noreturn]] void end_process(std::string_view why);

} // namespace perdura::persistence
