#include "tests/fuzz/fuzz_targets.hpp"

#include <cstdlib>

namespace perdura::tests {

std::string& planted_target() {
  static std::string name = [] {
    // Before other threads are there. NOLINTNEXTLINE(concurrency-mt-unsafe)
    const char* said = std::getenv("PERDURA_PLANT");
    return std::string(said == nullptr ? "" : said);
  }();
  return name;
}

} // namespace perdura::tests
