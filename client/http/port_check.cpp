// SPDX-License-Identifier: Apache-2.0
#include "client/http/port_check.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace perdura::client {

persistence::result<void> check_loopback_port(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // As in `http_server`: closed connections in TIME_WAIT do not block a port.
  const int on = 1;
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(port);
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool is_free
    = socket >= 0
      && ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0
      && ::bind(socket, reinterpret_cast<const sockaddr*>(&place), sizeof place)
           == 0
      // With SO_REUSEADDR the bind may succeed although another socket has
      // bound the port; the listen then fails.
      && ::listen(socket, 1) == 0;
  // `errno` is saved here, because `close` may change it.
  const int why = errno;
  if (socket >= 0)
    ::close(socket);
  if (is_free)
    return {};
  const std::string shown = "Port " + std::to_string(port) + " on 127.0.0.1 ";
  return persistence::error{persistence::errc::unavailable,
                            why == EADDRINUSE
                              ? shown + "is in use by another process."
                              : shown + "cannot be used: "
                                  + std::generic_category().message(why) + '.'};
}

} // namespace perdura::client
