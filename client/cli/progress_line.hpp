// SPDX-License-Identifier: Apache-2.0
/// Shows the progress of long work on the error stream, so that the output
/// stream holds only the result. On a screen one line is redrawn; otherwise a
/// new line is printed every 5 s.
#pragma once

#include "client/cli/terminal.hpp"

#include <chrono>
#include <cstddef>
#include <string>

namespace perdura::client {

/// Not thread-safe. So that short work shows no progress, nothing is printed
/// during the first 100 ms on a screen, or during the first 5 s elsewhere.
class progress_line {
public:
  /// `what` is the text after the numbers; `total` is the number of steps. For
  /// example, ("terminated", 17) shows "5 of 17 terminated".
  progress_line(terminal& io, std::string what, std::size_t total);
  /// Clears the line on a screen.
  ~progress_line();

  progress_line(const progress_line&) = delete;
  progress_line& operator=(const progress_line&) = delete;

  /// Shows the number of steps done. Calls in quick succession print nothing.
  void update(std::size_t count);
  /// Also shows the current part of the work: "5 of 17 seconds: hello".
  void update(std::size_t count, const std::string& part);

private:
  terminal& io_;
  std::string what_;
  std::size_t total_;
  std::chrono::steady_clock::time_point last_;
  bool drawn_ = false;
};

} // namespace perdura::client
