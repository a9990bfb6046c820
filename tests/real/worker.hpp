/// A node in a process of its own, driven over pipes, that a test can kill.
#pragma once

#include "tests/support/line_reader.hpp"

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

namespace perdura::tests {

/// What the process does that `worker_process` starts: serves the samples from
/// `directory`, appends a line `instance/execution/sequence` to `witness` for
/// each activity that it runs, and obeys lines on standard input:
///   start NAME ID INPUT · raise ID EVENT DATA · wait ID · rewind ID · stop
/// each answered by one line, "ok …" or "error …"; "ready" comes first.
int run_worker(const std::filesystem::path& directory,
               const std::filesystem::path& witness);

class worker_process {
public:
  /// Starts this test program again as a worker.
  worker_process(const std::filesystem::path& directory,
                 const std::filesystem::path& witness);

  /// Kills it if it still runs.
  ~worker_process();

  worker_process(const worker_process&) = delete;
  worker_process& operator=(const worker_process&) = delete;

  void send(const std::string& line);

  /// The next line of its output; empty if none comes in time or it is gone.
  std::optional<std::string> receive(std::chrono::milliseconds time_out);

  /// SIGKILL, and waits for its end.
  void kill();

private:
  pid_t pid_ = -1;
  int to_ = -1;
  int from_ = -1;
  line_reader lines_;
};

} // namespace perdura::tests
