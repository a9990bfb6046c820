// SPDX-License-Identifier: Apache-2.0
/// TCP ports for tests that must know a port before the server starts, for
/// example because the node list of a cluster contains it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace perdura::tests {

/// Consecutive ports of 127.0.0.1, reserved for the lifetime of the object.
///
/// Each port stays bound by a socket that never listens, so no other process
/// gets it between its reservation and the start of the server, nor while the
/// server is stopped: the kernel gives it neither to a bind of port 0 nor to a
/// connection as its local port, and another `reserved_ports` skips it.
/// The servers themselves can bind it and listen, because they and the
/// reservation set SO_REUSEADDR; the kernel then refuses only a second
/// listener. A connection to a reserved port without a server is refused.
/// A child process inherits no reservation.
class reserved_ports {
public:
  /// @throws std::runtime_error  No such ports are free.
  explicit reserved_ports(std::size_t count = 1);
  ~reserved_ports();

  reserved_ports(const reserved_ports&) = delete;
  reserved_ports& operator=(const reserved_ports&) = delete;

  std::uint16_t first() const {
    return first_;
  }

  /// Port `i`, counted from 0.
  /// @throws std::out_of_range  `i` is not less than the number of ports.
  std::uint16_t at(std::size_t i) const;

private:
  bool reserve(std::size_t count);
  void release();

  std::uint16_t first_ = 0;
  std::vector<int> sockets_; ///< One for each port, in ascending order.
};

} // namespace perdura::tests
