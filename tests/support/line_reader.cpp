// SPDX-License-Identifier: Apache-2.0
#include "tests/support/line_reader.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace perdura::tests {

std::optional<std::string>
line_reader::receive(int descriptor, std::chrono::milliseconds time_out) {
  const auto until = std::chrono::steady_clock::now() + time_out;
  for (;;) {
    if (const auto end = unread_.find('\n'); end != std::string::npos) {
      std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      return line;
    }
    // No complete line is buffered: wait for more bytes.
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      until - std::chrono::steady_clock::now());
    pollfd waits{descriptor, POLLIN, 0};
    const int ready
      = ::poll(&waits, 1, static_cast<int>(std::max<long>(0, left.count())));
    if (ready == 0)
      return std::nullopt;
    if (ready < 0 && errno == EINTR)
      continue;
    std::array<char, 4096> bytes{};
    const ssize_t got = ::read(descriptor, bytes.data(), bytes.size());
    if (got <= 0)
      return std::nullopt;
    unread_.append(bytes.data(), static_cast<std::size_t>(got));
  }
}

} // namespace perdura::tests
