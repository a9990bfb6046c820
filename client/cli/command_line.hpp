// SPDX-License-Identifier: Apache-2.0
/// Parses the command line of `perdura` and runs the verb that it names.
#pragma once

#include "client/cli/terminal.hpp"

namespace perdura::client {

/// Runs the verb that the arguments name; argv[0] is the name of the program.
/// Returns the exit code of the process; see exit_code in terminal.hpp. Verbs
/// that start nodes create threads, fork processes and handle signals, so call
/// this function on the main thread, before other threads start.
int run_command_line(int argc, const char* const* argv, terminal& io);

} // namespace perdura::client
