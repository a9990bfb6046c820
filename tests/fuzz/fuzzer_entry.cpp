// libFuzzer's way in. Built once for each target, which the compiler is told
// as PERDURA_FUZZ_TARGET: several of these cannot live in one program.
#include "tests/fuzz/fuzz_targets.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  // A copy of its own, so that a read past the end is seen.
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const perdura::tests::broken_promise broken
    = perdura::tests::PERDURA_FUZZ_TARGET(bytes);
  if (!broken.empty()) {
    std::fprintf(stderr, "BROKEN PROMISE: %s\n", broken.c_str());
    std::abort();
  }
  return 0;
}
