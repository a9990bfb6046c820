/// A program that a test starts, whose output it reads, and which ends no
/// later than the test.
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
  /// The first word is looked for in PATH. Both of its output streams are
  /// read; it has no input. `environment`: "NAME=value", beside what there is.
  explicit child_process(const std::vector<std::string>& words,
                         const std::vector<std::string>& environment = {});

  /// Kills it if it still runs.
  ~child_process();

  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;

  /// The next line of its output; nothing if none comes in time, or it ended.
  std::optional<std::string> receive(std::chrono::milliseconds time_out);

  /// -1 once it was waited for.
  pid_t pid() const {
    return pid_;
  }

  /// Asks it to end: SIGINT.
  void interrupt() const;

  /// Waits for its end; its exit code, 127 if there is no such program, -1 if
  /// a signal ended it.
  int wait();

private:
  pid_t pid_ = -1;
  int from_ = -1;
  line_reader lines_;
};

} // namespace perdura::tests
