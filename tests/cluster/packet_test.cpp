// SPDX-License-Identifier: Apache-2.0
#include "cluster/transport/packet.hpp"

#include <boost/test/unit_test.hpp>

#include <random>
#include <string>

namespace perdura::tests {

using namespace cluster;
using persistence::errc;

namespace {

packet some_packet(std::string_view bytes) {
  packet what;
  what.kind = packet_kind::data;
  what.from = 0x0102030405060708;
  what.to = 0xF1F2F3F4F5F6F7F8;
  what.number = 3;
  what.acknowledged = 0xFFFFFFFFFFFFFFFF;
  what.bytes = bytes;
  return what;
}

bool is_same(const packet& a, const packet& b) {
  return a.kind == b.kind && a.from == b.from && a.to == b.to
         && a.number == b.number && a.acknowledged == b.acknowledged
         && a.bytes == b.bytes;
}

} // namespace

BOOST_AUTO_TEST_SUITE(packet_suite)

// Encodes all kinds of packets, with no bytes, two bytes and the largest number
// of bytes.
BOOST_AUTO_TEST_CASE(packet_round_trips) {
  for (const packet_kind kind : {packet_kind::hello, packet_kind::refusal,
                                 packet_kind::data, packet_kind::heartbeat})
    for (const std::string& bytes : {std::string(), std::string("\0\xFF", 2),
                                     std::string(packet_bytes_max, 'x')}) {
      packet what = some_packet(bytes);
      what.kind = kind;
      const std::string sent = encode_packet(what);
      const auto decoded = decode_packet(sent);
      BOOST_REQUIRE(static_cast<bool>(decoded));
      BOOST_TEST(is_same(*decoded, what));
    }
}

// Nodes of different versions exchange packets. A changed layout requires a new
// value of wire_format.
BOOST_AUTO_TEST_CASE(packet_bytes_match_the_golden_bytes) {
  const std::string golden("\x03"
                           "\x01\x02\x03\x04\x05\x06\x07\x08"
                           "\xF1\xF2\xF3\xF4\xF5\xF6\xF7\xF8"
                           "\x00\x00\x00\x00\x00\x00\x00\x03"
                           "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"
                           "abc",
                           36);
  BOOST_TEST(encode_packet(some_packet("abc")) == golden);
}

// Decodes packets without a complete header, of an unknown kind, and with too
// many bytes.
BOOST_AUTO_TEST_CASE(packet_of_invalid_size_or_kind_is_refused) {
  const std::string good = encode_packet(some_packet("abc"));
  const std::size_t head = good.size() - 3;
  for (std::size_t size = 0; size < head; ++size) {
    const auto outcome = decode_packet(std::string_view(good).substr(0, size));
    BOOST_REQUIRE(!outcome);
    BOOST_TEST((outcome.code() == errc::invalid_argument));
  }
  for (const int kind : {0, 5, 6, 127, 128, 255}) {
    std::string other = good;
    other[0] = static_cast<char>(kind);
    BOOST_TEST(!decode_packet(other));
  }
  const std::string longest(packet_bytes_max + 1, 'x');
  BOOST_TEST(!decode_packet(encode_packet(some_packet(longest))));
}

// A hundred thousand packets with random changes. A decoded packet encodes to
// the same bytes.
BOOST_AUTO_TEST_CASE(damaged_bytes_decode_to_a_packet_or_an_error) {
  std::mt19937_64 chance(20261203);
  const std::string good = encode_packet(some_packet("what a session says"));
  int packets = 0;
  for (int i = 0; i < 100'000; ++i) {
    std::string bytes = good;
    for (std::uint64_t changes = chance() % 4 + 1; changes > 0; --changes)
      bytes[chance() % bytes.size()] = static_cast<char>(chance());
    if (chance() % 2 == 0)
      bytes.resize(chance() % (2 * good.size()));
    const auto decoded = decode_packet(bytes);
    if (!decoded)
      continue;
    ++packets;
    BOOST_REQUIRE(encode_packet(*decoded) == bytes);
  }
  BOOST_TEST(packets > 1'000);
  BOOST_TEST(packets < 99'000);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
