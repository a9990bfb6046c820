// SPDX-License-Identifier: Apache-2.0
/// A single node in a process of its own that a test drives over pipes and can
/// kill.
#pragma once

#include "tests/support/line_reader.hpp"

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

namespace perdura::tests {

/// The main function of the process that `worker_process` starts.
///
/// Serves the samples from the data directory `directory`. Each run of an
/// activity appends a line `instance/execution/sequence` to the file `witness`.
/// Prints "ready", then reads commands from standard input, one in each line:
///   start NAME ID INPUT
///   raise ID EVENT DATA
///   wait ID
///   rewind ID
///   stop
/// The answer to each command except `stop` is a line "ok ..." or "error ...".
int run_worker(const std::filesystem::path& directory,
               const std::filesystem::path& witness);

class worker_process {
public:
  /// Starts this test program again as a worker.
  worker_process(const std::filesystem::path& directory,
                 const std::filesystem::path& witness);

  /// Kills the process if it still runs.
  ~worker_process();

  worker_process(const worker_process&) = delete;
  worker_process& operator=(const worker_process&) = delete;

  void send(const std::string& line);

  /// The next line of the process's output. Empty if none is written in time,
  /// or if the process has ended.
  std::optional<std::string> receive(std::chrono::milliseconds time_out);

  /// Sends SIGKILL and waits for the end of the process.
  void kill();

private:
  pid_t pid_ = -1;
  int to_ = -1;   ///< Standard input of the process.
  int from_ = -1; ///< Standard output of the process.
  line_reader lines_;
};

} // namespace perdura::tests
