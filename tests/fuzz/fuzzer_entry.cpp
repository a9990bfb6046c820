// SPDX-License-Identifier: Apache-2.0
// The entry point that libFuzzer calls. A program has only one entry point, so
// this file is compiled once for each target; the macro PERDURA_FUZZ_TARGET is
// the name of the target's function.
#include "tests/fuzz/fuzz_targets.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  // The copy has no spare bytes, so that AddressSanitizer sees a read past the
  // end.
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const perdura::tests::violation found
    = perdura::tests::PERDURA_FUZZ_TARGET(bytes);
  if (!found.empty()) {
    std::fprintf(stderr, "VIOLATION: %s\n", found.c_str());
    std::abort();
  }
  return 0;
}
