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
  const int on = 1; // As who listens sets it: old connections do not count.
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(port);
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool is_free
    = socket >= 0
      && ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0
      && ::bind(socket, reinterpret_cast<const sockaddr*>(&place), sizeof place)
           == 0
      && ::listen(socket, 1) == 0;
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
