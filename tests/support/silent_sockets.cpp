// SPDX-License-Identifier: Apache-2.0
#include "tests/support/silent_sockets.hpp"

#include "tests/support/patience.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

namespace perdura::tests {

namespace {

void require(bool good, const char* what) {
  if (!good)
    throw std::runtime_error(what);
}

void await_readable(int socket) {
  pollfd wanted{socket, POLLIN, 0};
  constexpr std::chrono::milliseconds wait_max = patience;
  require(::poll(&wanted, 1, static_cast<int>(wait_max.count())) == 1,
          "nothing happened on a socket");
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

  /// Reads until the peer closes the connection. Returns whether the peer has
  /// sent data.
  bool read_until_closed() const {
    bool has_data = false;
    std::array<char, 4096> bytes{};
    for (;;) {
      await_readable(socket_);
      if (::recv(socket_, bytes.data(), bytes.size(), 0) <= 0)
        return has_data;
      has_data = true;
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

void silent_server::await_close_of_first_connection() const {
  for (;;) {
    await_readable(listener_);
    const open_socket connection(
      ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC));
    if (connection.read_until_closed())
      return;
  }
}

void await_close_of_silent_connection(std::uint16_t port) {
  const int socket = new_socket();
  const open_socket connection(socket);
  const sockaddr_in at = loopback(port);
  require(::connect(socket, reinterpret_cast<const sockaddr*>(&at), sizeof(at))
            == 0,
          "connection refused");
  static_cast<void>(connection.read_until_closed());
}

} // namespace perdura::tests
