// SPDX-License-Identifier: Apache-2.0
#include "tests/support/reserved_ports.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace perdura::tests {

namespace {

/// Binds a new socket to a port of 127.0.0.1; 0 lets the kernel choose. Returns
/// the socket, or -1 if any other socket has bound the port. `port` becomes the
/// number of the bound port.
int bind_alone(std::uint16_t& port) {
  const int bound = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bound < 0)
    return -1;
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(port);
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof place;
  auto* address = reinterpret_cast<sockaddr*>(&place);
  // The option is set only after the bind. With it, the bind would succeed on a
  // port that another test has reserved.
  const int on = 1;
  if (::bind(bound, address, size) != 0
      || ::getsockname(bound, address, &size) != 0
      || ::setsockopt(bound, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) {
    ::close(bound);
    return -1;
  }
  port = ntohs(place.sin_port);
  return bound;
}

} // namespace

reserved_ports::reserved_ports(std::size_t count) {
  constexpr int attempts_max = 1'000;
  for (int attempt = 0; attempt < attempts_max; ++attempt) {
    if (reserve(count))
      return;
    release();
  }
  throw std::runtime_error("no free ports");
}

reserved_ports::~reserved_ports() {
  release();
}

std::uint16_t reserved_ports::at(std::size_t i) const {
  if (i >= sockets_.size())
    throw std::out_of_range("so many ports are not reserved");
  return static_cast<std::uint16_t>(first_ + i);
}

/// The kernel chooses the first port; the others must be free too.
bool reserved_ports::reserve(std::size_t count) {
  first_ = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (first_ + i > 65'535)
      return false;
    auto port = static_cast<std::uint16_t>(i == 0 ? 0 : first_ + i);
    const int bound = bind_alone(port);
    if (bound < 0)
      return false;
    sockets_.push_back(bound);
    if (i == 0)
      first_ = port;
  }
  return true;
}

void reserved_ports::release() {
  for (const int each : sockets_)
    ::close(each);
  sockets_.clear();
}

} // namespace perdura::tests
