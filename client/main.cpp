// SPDX-License-Identifier: Apache-2.0
// The entry point of the program `perdura`: connects the command line to the
// standard streams.

#include "client/cli/command_line.hpp"
#include "persistence/process/process_end.hpp"

int main(int argc, char** argv) {
  perdura::persistence::end_after_fault_on_terminate();
  auto io = perdura::client::standard_terminal();
  return perdura::client::run_command_line(argc, argv, io);
}
