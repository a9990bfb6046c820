// SPDX-License-Identifier: Apache-2.0
#include "persistence/process/build_info.hpp"

#include <perdura/version.hpp>

namespace perdura::persistence {

build_info current_build() {
  return {
    PERDURA_VERSION, PERDURA_COMMIT,
#if defined(__clang__)
      __VERSION__,
#else
      "g++ " __VERSION__,
#endif
      PERDURA_BUILD_TYPE
  };
}

} // namespace perdura::persistence
