// SPDX-License-Identifier: Apache-2.0
/// The rules for the bytes that arrive at the cluster port, checked before
/// CAF's protocol (BASP) allocates or decodes anything.
///
/// CAF 0.17.6 allocates the length that a header announces, and lets the peer
/// choose the type of a message among all types that CAF knows. Some of them
/// allocate a length that the message announces, and the exception of a length
/// that does not fit ends the broker, and with it the port.
#pragma once

#include <caf/io/basp/header.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

namespace caf {
class actor_system;
} // namespace caf

namespace perdura::cluster {

/// The largest message of CAF's own protocol: handshakes, and notices about
/// actors. The handshakes of Perdura have about 100 bytes.
inline constexpr std::uint32_t control_bytes_max = 4U << 10U;

/// Checks the messages of one process. Not thread-safe.
class port_rules {
public:
  explicit port_rules(caf::actor_system& system);

  /// Why a header is refused; no value if it is accepted.
  /// @param bytes       The header; its size is caf::io::basp::header_size.
  /// @param introduced  The peer has sent a valid handshake.
  std::optional<std::string> check_header(const char* bytes,
                                          bool introduced) const;

  /// Why a payload is refused; no value if it is accepted. `head` is the
  /// header, which `check_header` has accepted.
  std::optional<std::string> check_payload(const caf::io::basp::header& head,
                                           const char* bytes,
                                           std::size_t size) const;

private:
  bool is_known_message(const char* bytes, std::size_t size) const;
  bool is_plain_down_message(const char* bytes, std::size_t size) const;

  caf::actor_system& system_;
  /// The contents of messages that a process of Perdura sends, as CAF names
  /// them.
  std::set<std::string> known_types_;
};

} // namespace perdura::cluster
