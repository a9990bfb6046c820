// SPDX-License-Identifier: Apache-2.0
/// Search in the texts that tests compare.
#pragma once

#include <string>
#include <string_view>

namespace perdura::tests {

/// True if `text` contains `part`.
inline bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

} // namespace perdura::tests
