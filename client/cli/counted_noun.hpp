// SPDX-License-Identifier: Apache-2.0
/// A number with its noun, for the sentences of the command line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace perdura::client {

/// "1 instance", "0 instances", "5 instances". `noun` forms its plural with an
/// "s".
inline std::string counted(std::uint64_t count, std::string_view noun) {
  return std::to_string(count) + ' ' + std::string(noun)
         + (count == 1 ? "" : "s");
}

} // namespace perdura::client
