// SPDX-License-Identifier: Apache-2.0
/// Sockets that send nothing, for tests of time-outs during a handshake.
#pragma once

#include <cstdint>

namespace perdura::tests {

/// A server on a loopback port that accepts connections and never sends.
class silent_server {
public:
  silent_server();
  ~silent_server();

  silent_server(const silent_server&) = delete;
  silent_server& operator=(const silent_server&) = delete;

  std::uint16_t port() const {
    return port_;
  }

  /// Accepts connections one after the other until one of them has sent data.
  /// Returns when the peer has closed that connection.
  /// @throws std::runtime_error  Nothing happens within `patience`.
  void await_close_of_first_connection() const;

private:
  int listener_;
  std::uint16_t port_ = 0;
};

/// Connects to a loopback port, sends nothing, and waits until the server
/// closes the connection.
/// @throws std::runtime_error  Nothing happens within `patience`.
void await_close_of_silent_connection(std::uint16_t port);

} // namespace perdura::tests
