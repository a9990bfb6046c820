// SPDX-License-Identifier: Apache-2.0
#include "cluster/transport/packet.hpp"

#include "persistence/records/keys.hpp"

namespace perdura::cluster {

using persistence::errc;
using persistence::error;

namespace {

// The header: the kind in one byte, then `from`, `to`, `number` and
// `acknowledged` as 64-bit big-endian numbers.
constexpr std::size_t header_size = 1 + 4 * sizeof(std::uint64_t);

} // namespace

std::string encode_packet(const packet& what) {
  std::string out;
  out.reserve(header_size + what.bytes.size());
  out.push_back(static_cast<char>(what.kind));
  for (const std::uint64_t number :
       {what.from, what.to, what.number, what.acknowledged})
    out += persistence::big_endian(number);
  out += what.bytes;
  return out;
}

bool is_hello(std::string_view bytes) {
  return !bytes.empty()
         && bytes.front() == static_cast<char>(packet_kind::hello);
}

// The header has a fixed size, so one check of the length at the beginning
// guards all reads below.
persistence::result<packet> decode_packet(std::string_view bytes) {
  packet what;
  const auto kind = static_cast<std::uint8_t>(bytes.empty() ? 0 : bytes[0]);
  if (bytes.size() < header_size
      || bytes.size() > header_size + packet_bytes_max
      || kind < static_cast<std::uint8_t>(packet_kind::hello)
      || kind > static_cast<std::uint8_t>(packet_kind::heartbeat))
    return error{errc::invalid_argument,
                 "Data from another node is not a valid packet."};
  what.kind = static_cast<packet_kind>(kind);
  bytes.remove_prefix(1);
  for (std::uint64_t* number :
       {&what.from, &what.to, &what.number, &what.acknowledged}) {
    for (std::size_t i = 0; i < sizeof(*number); ++i)
      *number = *number << 8U | static_cast<unsigned char>(bytes[i]);
    bytes.remove_prefix(sizeof(*number));
  }
  what.bytes = bytes;
  return what;
}

} // namespace perdura::cluster
