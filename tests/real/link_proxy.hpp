// SPDX-License-Identifier: Apache-2.0
/// A TCP proxy between two processes, with which a test interrupts the
/// connection between them without the processes noticing at once.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace perdura::tests {

/// The treatment of bytes and connections by a proxy.
enum class link_state : std::uint8_t {
  open,       ///< Forwards both directions.
  stalled,    ///< Forwards nothing, also not the end of a connection.
  one_way,    ///< Forwards only to the target, and nothing back.
  return_only ///< Forwards only from the target.
};

/// Listens on a port of loopback and forwards each connection to a target on
/// loopback. Bytes that arrive while a direction is stalled are forwarded when
/// it is open again, as after an outage of a network. Thread-safe.
class link_proxy {
public:
  /// @throws std::runtime_error  No socket or thread is available.
  explicit link_proxy(std::uint16_t target);
  ~link_proxy();

  link_proxy(const link_proxy&) = delete;
  link_proxy& operator=(const link_proxy&) = delete;

  std::uint16_t port() const {
    return port_;
  }

  void set(link_state state);

  /// Closes all connections with a reset, as a router does that has lost its
  /// state. Bytes that are not forwarded yet are lost.
  void reset_connections();

private:
  /// One direction of a connection: what was read and not written yet.
  struct byte_stream {
    std::string waiting;
    bool is_closed = false; ///< The sender has closed its side.
    bool is_reset = false;  ///< It has done so with an error.
    bool has_passed_close = false;
  };

  /// Socket 0 is that of the process which has connected, 1 that of the target;
  /// direction 0 goes to the target.
  struct connection {
    std::array<int, 2> sockets{-1, -1};
    std::array<byte_stream, 2> directions{};
    bool is_broken = false;
  };

  void run();
  void wake() const;
  void accept_one();
  bool is_forwarded(std::size_t direction) const;
  static void read_from(connection& c, std::size_t from);
  void write_to(connection& c, std::size_t direction) const;
  static void close(connection& c);

  const std::uint16_t target_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::array<int, 2> waker_{-1, -1}; ///< A pipe that interrupts the wait.
  std::atomic<link_state> state_{link_state::open};
  std::atomic<bool> resets_{false};
  std::atomic<bool> ends_{false};
  std::vector<connection> connections_; ///< Only the thread uses them.
  std::thread thread_;
};

} // namespace perdura::tests
