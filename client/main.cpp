// SPDX-License-Identifier: Apache-2.0
// The entry point of the program `perdura`: connects the command line to the
// standard streams.

#include "client/cli/command_line.hpp"
#include "persistence/process/process_end.hpp"

#include <unistd.h>

#include <iostream>

int main(int argc, char** argv) {
  perdura::persistence::end_after_fault_on_terminate();
  perdura::client::terminal io{std::cin,
                               std::cout,
                               std::cerr,
                               ::isatty(STDIN_FILENO) == 1,
                               ::isatty(STDOUT_FILENO) == 1,
                               ::isatty(STDERR_FILENO) == 1,
                               STDOUT_FILENO};
  return perdura::client::run_command_line(argc, argv, io);
}
