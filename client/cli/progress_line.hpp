/// How far long work has come: one line that is drawn again on a screen, a
/// line every 5 s elsewhere. On the error stream: the output is the result's.
#pragma once

#include "client/cli/terminal.hpp"

#include <chrono>
#include <cstddef>
#include <string>

namespace perdura::client {

class progress_line {
public:
  /// E.g. ("terminated", 17): "5 of 17 terminated".
  progress_line(terminal& io, std::string what, std::size_t total);
  /// Leaves no trace on a screen.
  ~progress_line();

  progress_line(const progress_line&) = delete;
  progress_line& operator=(const progress_line&) = delete;

  void reached(std::size_t count);
  /// Of work in parts: "5 of 17 seconds: hello".
  void reached(std::size_t count, const std::string& part);

private:
  terminal& io_;
  std::string what_;
  std::size_t total_;
  std::chrono::steady_clock::time_point last_;
  bool drawn_ = false;
};

} // namespace perdura::client
