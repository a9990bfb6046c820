// SPDX-License-Identifier: Apache-2.0
#include "tests/support/loopback_peer.hpp"

#include "tests/support/patience.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <stdexcept>

namespace perdura::tests {

namespace {

void await_event(int socket, short event) {
  pollfd wanted{socket, event, 0};
  constexpr std::chrono::milliseconds wait_max = patience;
  if (::poll(&wanted, 1, static_cast<int>(wait_max.count())) != 1)
    throw std::runtime_error("nothing happened on a socket");
}

/// A line of /proc/self/status, such as "VmHWM:   1234 kB", in bytes.
std::size_t status_bytes(const std::string& name) {
  std::ifstream status("/proc/self/status");
  std::string key;
  while (status >> key) {
    std::size_t kilobytes = 0;
    if (key == name + ":" && status >> kilobytes)
      return kilobytes * 1024;
    std::getline(status, key);
  }
  return 0;
}

} // namespace

loopback_peer::loopback_peer(std::uint16_t port)
  : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(port);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&at), sizeof(at))
      != 0) {
    ::close(socket_);
    throw std::runtime_error("connection refused");
  }
}

loopback_peer::~loopback_peer() {
  ::close(socket_);
}

bool loopback_peer::send(std::string_view bytes) const {
  while (!bytes.empty()) {
    await_event(socket_, POLLOUT);
    const ssize_t sent
      = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0)
      return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

std::string loopback_peer::receive() const {
  std::array<char, std::size_t{16} * 1024> bytes{};
  await_event(socket_, POLLIN);
  const ssize_t got = ::recv(socket_, bytes.data(), bytes.size(), 0);
  return {bytes.data(), got > 0 ? static_cast<std::size_t>(got) : 0};
}

std::string loopback_peer::receive_until_closed() const {
  std::string all;
  for (;;) {
    const std::string part = receive();
    if (part.empty())
      return all;
    all += part;
  }
}

// Writing 5 to clear_refs resets VmHWM to the present size; see proc(5).
peak_memory::peak_memory() {
  std::ofstream("/proc/self/clear_refs") << "5";
  before_ = status_bytes("VmRSS");
}

std::size_t peak_memory::growth() const {
  const std::size_t peak = status_bytes("VmHWM");
  return peak > before_ ? peak - before_ : 0;
}

} // namespace perdura::tests
