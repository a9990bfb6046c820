// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/fuzz_targets.hpp"

#include <array>

namespace perdura::tests {

std::span<const fuzz_target> fuzz_targets() {
  static constexpr std::array all{
    fuzz_target{"routing", fuzz_routing},
    fuzz_target{"json_intake", fuzz_json_intake},
    fuzz_target{"query_filters", fuzz_query_filters},
    fuzz_target{"configuration", fuzz_configuration},
    fuzz_target{"tokens", fuzz_tokens},
    fuzz_target{"packets", fuzz_packets},
  };
  return all;
}

} // namespace perdura::tests
