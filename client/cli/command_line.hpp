/// The words of the command line, and which verb they mean.
#pragma once

#include "client/cli/terminal.hpp"

namespace perdura::client {

/// Does what the arguments say; returns the process's exit code.
int run_command_line(int argc, const char* const* argv, terminal& io);

} // namespace perdura::client
