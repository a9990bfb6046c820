// SPDX-License-Identifier: Apache-2.0
/// The number of columns that a text takes on a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace perdura::client {

/// The columns of a text on one line: 2 for a wide character of East Asia and
/// for most emoji, 0 for a combining character, and 1 for any other, also for
/// each byte that is not well-formed UTF-8.
std::size_t display_width(std::string_view text);

/// The text, if it takes at most `columns_max` columns. Otherwise its beginning
/// and an ellipsis, together at most `columns_max` columns. A combining
/// character stays with the character before it.
std::string shortened(std::string text, std::size_t columns_max);

} // namespace perdura::client
