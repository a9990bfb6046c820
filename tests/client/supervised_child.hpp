// SPDX-License-Identifier: Apache-2.0
/// The processes that node_supervisor_test lets the supervisor run. The
/// supervisor starts its own program, so the test program is also the node.
#pragma once

namespace perdura::tests {

/// The first argument of a supervised process.
inline constexpr const char* supervised_child_flag = "--supervised-child";

/// Runs the process and returns its exit code. `mode` is one of
/// - "serve": prints a banner and a line, and ends with SIGINT and code 0;
/// - "refuse": prints a line and ends with code 3, without a banner;
/// - "stubborn": as "serve", but ignores SIGINT;
/// - "silent": prints nothing and ends with SIGINT.
/// Each SIGINT that ends a process adds a line to the file `witness`.
int run_supervised_child(const char* mode, const char* witness);

} // namespace perdura::tests
