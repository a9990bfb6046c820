// SPDX-License-Identifier: Apache-2.0
/// Sockets that send nothing, for tests of time-outs during a handshake.
#pragma once

#include <chrono>
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
  /// Returns the time from the first data to the end of that connection.
  /// @throws std::runtime_error  Nothing happens for 20 s.
  std::chrono::steady_clock::duration first_connection_duration() const;

private:
  int listener_;
  std::uint16_t port_ = 0;
};

/// Connects to a loopback port, sends nothing, and waits until the server
/// closes the connection. Returns the duration of the connection.
/// @throws std::runtime_error  Nothing happens for 20 s.
std::chrono::steady_clock::duration
silent_connection_duration(std::uint16_t port);

} // namespace perdura::tests
