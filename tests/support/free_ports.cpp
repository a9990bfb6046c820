// SPDX-License-Identifier: Apache-2.0
#include "tests/support/free_ports.hpp"

#include "client/http/port_check.hpp"

#include <unistd.h>

#include <stdexcept>

namespace perdura::tests {

std::uint16_t free_ports(std::uint16_t count) {
  // The process ID modulo 900 selects a range of twenty ports.
  static auto next = static_cast<std::uint16_t>(12000 + ::getpid() % 900 * 20);
  for (int attempt = 0; attempt < 500; ++attempt) {
    const std::uint16_t first = next;
    next = static_cast<std::uint16_t>(next + count);
    bool all = true;
    for (std::uint16_t i = 0; i < count; ++i)
      all
        = all
          && client::check_loopback_port(static_cast<std::uint16_t>(first + i));
    if (all)
      return first;
  }
  throw std::runtime_error("no free ports");
}

} // namespace perdura::tests
