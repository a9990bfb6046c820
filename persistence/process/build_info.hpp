// SPDX-License-Identifier: Apache-2.0
/// The source version and the compiler from which the running program was
/// built.
#pragma once

namespace perdura::persistence {

/// All texts are string literals.
struct build_info {
  const char* version; ///< E.g. "0.1.0".
  /// Abbreviated hash of the commit, followed by "-dirty" if the source tree
  /// had uncommitted changes; "unknown" without git.
  const char* commit;
  const char* compiler;   ///< Name and version of the compiler.
  const char* build_type; ///< CMake's build type, e.g. "Release".
};

/// Describes the running program.
build_info current_build();

} // namespace perdura::persistence
