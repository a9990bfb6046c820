// SPDX-License-Identifier: Apache-2.0
/// Checks whether a text may be stored as a payload. After this check the text
/// is stored verbatim, and every later reader can parse it.
#pragma once

#include "persistence/records/error.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace perdura::actors {

/// Maximum size of a payload in bytes, so that a turn fits the journal.
inline constexpr std::size_t json_bytes_max = std::size_t{1024} * 1024;

/// Maximum number of levels of nested arrays and objects. nlohmann::json copies
/// and writes values recursively, and 100,000 levels would overflow the stack.
inline constexpr std::size_t json_depth_max = 64;

/// Checks that the text is exactly one JSON value in UTF-8 without a byte order
/// mark. The value may be a scalar. Numbers may have any size, because they are
/// stored as text. An object may have several members with the same name. An
/// escape of half a surrogate pair is refused, because half a pair is not a
/// character that a parser can return. Pure and thread-safe.
/// @param depth_max At most 256; a greater value means 256.
/// @error errc::payload_too_large  The text is longer than `bytes_max`.
/// @error errc::json_too_deep      The value has more than `depth_max` levels.
/// @error errc::invalid_json       The text is not JSON. The message names the
///                                 byte and the expected characters.
/// @source RFC 8259
persistence::result<void> check_json(std::string_view text,
                                     std::size_t bytes_max = json_bytes_max,
                                     std::size_t depth_max = json_depth_max);

/// Returns the text as a JSON string with quotes. Each byte that is not part of
/// valid UTF-8 becomes U+FFFD.
std::string json_string(std::string_view text);

} // namespace perdura::actors
