// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/fuzz_targets.hpp"

#include <cstdlib>

namespace perdura::tests {

std::string& planted_target() {
  static std::string name = [] {
    // No other thread runs yet. NOLINTNEXTLINE(concurrency-mt-unsafe)
    const char* value = std::getenv("PERDURA_PLANT");
    return std::string(value == nullptr ? "" : value);
  }();
  return name;
}

} // namespace perdura::tests
