/// Lines of a pipe, each waited for no longer than a test wants to.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace perdura::tests {

class line_reader {
public:
  /// The next line; nothing if none comes in time, or the other end is shut.
  std::optional<std::string> receive(int descriptor,
                                     std::chrono::milliseconds time_out);

private:
  std::string unread_;
};

} // namespace perdura::tests
