// SPDX-License-Identifier: Apache-2.0
/// The values of the option --since.
#pragma once

#include <perdura/persistence/records/error.hpp>
#include <perdura/persistence/records/ids.hpp>

#include <string>
#include <string_view>

namespace perdura::client {

/// The time that `text` means: an age such as "90s", "30m", "1h", "2d", "1w" or
/// "1h30m" before `now`, or a time (ISO 8601), which is returned as it is. An
/// age that reaches back beyond 1970 means 1970.
/// @error errc::invalid_argument  The text is neither.
persistence::result<std::string> parse_since(std::string_view text,
                                             persistence::timestamp now);

} // namespace perdura::client
