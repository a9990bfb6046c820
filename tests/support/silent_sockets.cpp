// SPDX-License-Identifier: Apache-2.0
#include "tests/support/silent_sockets.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <stdexcept>

namespace perdura::tests {

using std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds wait_max = std::chrono::seconds(20);

void require(bool good, const char* what) {
  if (!good)
    throw std::runtime_error(what);
}

void await_readable(int socket) {
  pollfd wanted{socket, POLLIN, 0};
  require(::poll(&wanted, 1, static_cast<int>(wait_max.count())) == 1,
          "nothing happened on a socket for 20 s");
}

class open_socket {
public:
  explicit open_socket(int socket) : socket_(socket) {
    require(socket >= 0, "no socket");
  }

  ~open_socket() {
    ::close(socket_);
  }

  open_socket(const open_socket&) = delete;
  open_socket& operator=(const open_socket&) = delete;

  /// Reads until the peer closes the connection. Returns the time of the
  /// first data, or nullopt if the peer sent none.
  std::optional<steady_clock::time_point> read_until_closed() const {
    std::optional<steady_clock::time_point> first_bytes_at;
    std::array<char, 4096> bytes{};
    for (;;) {
      await_readable(socket_);
      if (::recv(socket_, bytes.data(), bytes.size(), 0) <= 0)
        return first_bytes_at;
      if (!first_bytes_at)
        first_bytes_at = steady_clock::now();
    }
  }

private:
  int socket_;
};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(port);
  return at;
}

int new_socket() {
  return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

} // namespace

silent_server::silent_server() : listener_(new_socket()) {
  sockaddr_in at = loopback(0);
  socklen_t size = sizeof(at);
  auto* address = reinterpret_cast<sockaddr*>(&at);
  require(::bind(listener_, address, size) == 0
            && ::listen(listener_, SOMAXCONN) == 0
            && ::getsockname(listener_, address, &size) == 0,
          "no port");
  port_ = ntohs(at.sin_port);
}

silent_server::~silent_server() {
  ::close(listener_);
}

steady_clock::duration silent_server::first_connection_duration() const {
  for (;;) {
    await_readable(listener_);
    const open_socket connection(
      ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC));
    if (const auto first_bytes_at = connection.read_until_closed())
      return steady_clock::now() - *first_bytes_at;
  }
}

steady_clock::duration silent_connection_duration(std::uint16_t port) {
  const int socket = new_socket();
  const open_socket connection(socket);
  const sockaddr_in at = loopback(port);
  require(::connect(socket, reinterpret_cast<const sockaddr*>(&at), sizeof(at))
            == 0,
          "connection refused");
  const auto since = steady_clock::now();
  connection.read_until_closed();
  return steady_clock::now() - since;
}

} // namespace perdura::tests
