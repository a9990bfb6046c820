// SPDX-License-Identifier: Apache-2.0
/// The unit that a transport carries: a header of fixed size, then bytes.
///
/// Packets are decoded by hand-written code without a library, because they may
/// come from a peer that is not authenticated.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace perdura::cluster {

/// The number of a path, which is one connection to one other process. The
/// transport assigns the number, and never assigns it to another path.
using path_id = std::uint64_t;

/// The number of a kind is sent over the wire: append kinds, never renumber.
enum class packet_kind : std::uint8_t {
  hello = 1,     ///< `bytes` is an encoded peer_hello.
  refusal = 2,   ///< `bytes` is an encoded peer_refusal.
  data = 3,      ///< `bytes` is a piece of the session's stream.
  heartbeat = 4, ///< `bytes` is empty.
};

/// One packet in decoded form.
struct packet {
  packet_kind kind = packet_kind::heartbeat;

  /// The session number of the sender.
  std::uint64_t from = 0;

  /// The session number of the receiver; 0 if the sender does not know it.
  std::uint64_t to = 0;

  /// In a data packet, the number of this packet, counted from 1 in each
  /// session and direction. In a heartbeat, the number of the last data packet
  /// that was sent.
  std::uint64_t number = 0;

  /// The number up to which the sender has received all data packets.
  std::uint64_t acknowledged = 0;

  /// The content; see packet_kind. Not owned: it must outlive the packet.
  std::string_view bytes;
};

/// Limit on the size of `packet::bytes`: 1 MiB. All traffic to a node shares
/// one connection, so a longer packet would delay the packets behind it. CAF
/// itself does not limit the size.
inline constexpr std::size_t packet_bytes_max = std::size_t{1} << 20U;

/// `what.bytes` must not be longer than packet_bytes_max.
std::string encode_packet(const packet& what);

/// True if the encoded packet is a hello, if it is valid at all.
bool is_hello(std::string_view bytes);

/// `bytes` of the result points into the argument.
/// @error errc::invalid_argument  The argument is not a packet, or is longer
///                                than the header and packet_bytes_max.
persistence::result<packet> decode_packet(std::string_view bytes);

} // namespace perdura::cluster
