// SPDX-License-Identifier: Apache-2.0
/// Reads lines from a pipe, each with a time limit.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace perdura::tests {

class line_reader {
public:
  /// Returns the next line without its line end. Returns nullopt if no line
  /// arrives within `time_out` or if the other end of the pipe is closed.
  std::optional<std::string> receive(int descriptor,
                                     std::chrono::milliseconds time_out);

private:
  std::string unread_;
};

} // namespace perdura::tests
