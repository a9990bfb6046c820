// SPDX-License-Identifier: Apache-2.0
/// Starts a program for a test and reads its output. The program is killed at
/// the latest when the object is destroyed or when the test process ends.
#pragma once

#include "tests/support/line_reader.hpp"

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace perdura::tests {

class child_process {
public:
  /// Starts `command`; its first element is looked up in PATH. Standard output
  /// and standard error are read together, standard input is empty.
  /// `environment` holds entries "NAME=value" that are added to the
  /// environment of the test.
  /// @throws std::runtime_error  No pipe can be created.
  explicit child_process(const std::vector<std::string>& command,
                         const std::vector<std::string>& environment = {});

  /// Kills the program if it still runs.
  ~child_process();

  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;

  /// Returns the next line of output, without its line end. Returns nullopt if
  /// no line arrives within `time_out` or if the program has ended.
  std::optional<std::string> receive(std::chrono::milliseconds time_out);

  /// Process ID; -1 after wait().
  pid_t pid() const {
    return pid_;
  }

  /// Sends SIGINT.
  void interrupt() const;

  /// Waits for the end of the program and returns its exit code: 127 if the
  /// program does not exist, -1 if a signal ended it.
  int wait();

private:
  pid_t pid_ = -1;
  int from_ = -1;
  line_reader lines_;
};

} // namespace perdura::tests
