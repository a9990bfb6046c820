/// What goes through a transport: a small head, then bytes. Decoded by hand,
/// because it is the first thing that a stranger's bytes meet.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace perdura::cluster {

/// Sent by number. Append; never renumber.
enum class packet_kind : std::uint8_t {
  hello = 1,     ///< Bytes: a peer_hello.
  refusal = 2,   ///< Bytes: a peer_refusal.
  data = 3,      ///< Bytes: a piece of the session's stream.
  heartbeat = 4, ///< No bytes.
};

struct packet {
  packet_kind kind = packet_kind::heartbeat;
  std::uint64_t from = 0; ///< The sender's session.
  std::uint64_t to = 0;   ///< The receiver's, as the sender knows it; 0: not.
  /// Of data: its own, from 1. Of a heartbeat: that of the last data sent.
  std::uint64_t number = 0;
  std::uint64_t taken = 0; ///< The last data that came the other way.
  std::string_view bytes;
};

/// A packet's bytes are at most so many: longer ones would keep others from
/// the connection (stack notes: no limit in CAF, one connection for all).
inline constexpr std::size_t packet_bytes_max = std::size_t{1} << 20U;

std::string encode_packet(const packet& what);

/// `bytes` of the result points into the argument.
/// @error errc::invalid_argument  It is no packet, or too long.
persistence::result<packet> decode_packet(std::string_view bytes);

} // namespace perdura::cluster
