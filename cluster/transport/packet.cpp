#include "cluster/transport/packet.hpp"

#include "persistence/records/keys.hpp"

namespace perdura::cluster {

using persistence::errc;
using persistence::error;

namespace {

constexpr std::size_t head_size = 1 + 4 * sizeof(std::uint64_t);

} // namespace

std::string encode_packet(const packet& what) {
  std::string out;
  out.reserve(head_size + what.bytes.size());
  out.push_back(static_cast<char>(what.kind));
  for (const std::uint64_t number :
       {what.from, what.to, what.number, what.taken})
    out += persistence::big_endian(number);
  out += what.bytes;
  return out;
}

persistence::result<packet> decode_packet(std::string_view bytes) {
  packet what;
  const auto kind = static_cast<std::uint8_t>(bytes.empty() ? 0 : bytes[0]);
  if (bytes.size() < head_size || bytes.size() > head_size + packet_bytes_max
      || kind < static_cast<std::uint8_t>(packet_kind::hello)
      || kind > static_cast<std::uint8_t>(packet_kind::heartbeat))
    return error{errc::invalid_argument,
                 "What came from another node is no packet."};
  what.kind = static_cast<packet_kind>(kind);
  bytes.remove_prefix(1);
  for (std::uint64_t* number :
       {&what.from, &what.to, &what.number, &what.taken}) {
    for (std::size_t i = 0; i < sizeof(*number); ++i)
      *number = *number << 8U | static_cast<unsigned char>(bytes[i]);
    bytes.remove_prefix(sizeof(*number));
  }
  what.bytes = bytes;
  return what;
}

} // namespace perdura::cluster
