// SPDX-License-Identifier: Apache-2.0
/// A peer on loopback that sends arbitrary bytes, and the memory that a process
/// uses for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace perdura::tests {

/// A TCP connection to a loopback port. All functions throw std::runtime_error
/// if nothing happens within `patience`.
class loopback_peer {
public:
  explicit loopback_peer(std::uint16_t port);
  ~loopback_peer();

  loopback_peer(const loopback_peer&) = delete;
  loopback_peer& operator=(const loopback_peer&) = delete;

  /// Sends all bytes. Returns false if the other side has closed the
  /// connection.
  bool send(std::string_view bytes) const;

  /// Waits until the other side has sent something, and returns it; empty if
  /// the other side has closed the connection.
  std::string receive() const;

  /// Reads until the other side closes the connection. Returns what it sent.
  std::string receive_until_closed() const;

  int native() const {
    return socket_;
  }

private:
  int socket_;
};

/// The growth of this process's memory since the object was created, at its
/// highest point.
class peak_memory {
public:
  peak_memory();

  /// In bytes. 0 if the kernel does not report it.
  std::size_t growth() const;

private:
  std::size_t before_;
};

} // namespace perdura::tests
