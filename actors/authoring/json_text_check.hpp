/// Decides whether a text may be stored as a payload: JSON that every reader
/// behind this check can take, kept verbatim from here on.
#pragma once

#include "persistence/records/error.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace perdura::actors {

/// Payloads are bounded so that a turn fits one journal record.
inline constexpr std::size_t json_bytes_max = std::size_t{1024} * 1024;

/// Levels of arrays and objects. nlohmann's copy and dump recurse, and a text
/// of 100,000 levels ends the process; at 64 a level costs nothing.
inline constexpr std::size_t json_depth_max = 64;

/// Is this one whole JSON value (RFC 8259) in UTF-8, no byte order mark?
/// A scalar may stand alone. Numbers may have any size, since nobody here
/// computes with them (nlohmann throws out_of_range on 1e400); names in an
/// object may repeat. Half of a surrogate pair in an escape is refused: parsers
/// behind the door would choke on it.
/// @param depth_max At most 256.
/// @error errc::payload_too_large  More than `bytes_max`; nothing was read.
/// @error errc::json_too_deep      More than `depth_max` levels.
/// @error errc::invalid_json       Says what was expected, and at which byte.
persistence::result<void> check_json(std::string_view text,
                                     std::size_t bytes_max = json_bytes_max,
                                     std::size_t depth_max = json_depth_max);

/// The text as a JSON string, quotes included. What is not UTF-8 becomes
/// U+FFFD, one for each byte that does not fit.
std::string json_string(std::string_view text);

} // namespace perdura::actors
