/// Text of others on a line of ours: what in it would break the line, steer the
/// terminal or turn the writing round.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace perdura::persistence {

/// How many bytes the character at `at` has if it is such a one, else 0: C0
/// and C1 controls, U+007F, U+2028 to U+202E, U+2066 to U+2069 (UTF-8).
std::size_t steering_size(std::string_view text, std::size_t at);

/// Each of them is shown as `?`.
std::string without_steering(std::string_view text);

} // namespace perdura::persistence
