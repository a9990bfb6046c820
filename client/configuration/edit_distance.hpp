// SPDX-License-Identifier: Apache-2.0
/// How much two names differ, for suggestions after a misspelt name.
#pragma once

#include <cstddef>
#include <string_view>

namespace perdura::client {

/// How many characters must be replaced, inserted, deleted, or swapped with
/// their neighbour to turn `a` into `b`. Takes time and memory in proportion to
/// the product of the lengths.
std::size_t edit_distance(std::string_view a, std::string_view b);

} // namespace perdura::client
