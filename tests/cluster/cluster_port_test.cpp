// SPDX-License-Identifier: Apache-2.0
// The cluster port against peers that are not nodes of Perdura: what they
// announce is not allocated, and only the messages of Perdura are accepted.
#include "cluster/transport/caf_transport.hpp"
#include "tests/support/loopback_peer.hpp"
#include "tests/support/patience.hpp"
#include "tests/support/reserved_ports.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <caf/io/basp/all.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <ostream>

namespace perdura::tests {

using namespace cluster;
using caf::io::basp::header;
using caf::io::basp::message_type;
using std::chrono::milliseconds;

namespace {

/// The peak of memory that one connection may cost. The announced sizes of the
/// tests are far larger.
constexpr std::size_t memory_max = std::size_t{48} << 20U;
constexpr std::uint32_t announced_max = std::uint32_t{1} << 30U;

/// A process with an open cluster port and no peers.
struct open_port_fixture {
  open_port_fixture() {
    cluster_config cluster;
    // Longer than a test may run: only the check of the port closes a
    // connection before.
    cluster.silence_max = never;
    cluster.heartbeat_interval = std::chrono::minutes(10);
    BOOST_REQUIRE(prepare_network(config, cluster));
    system = std::make_unique<caf::actor_system>(config);
    caf_transport_config to;
    to.listen = node_address{"127.0.0.1", ports.at(0)};
    transport_listener listener;
    listener.path_opened = [](path_id, const node_id&) {};
    listener.path_closed = [](path_id) {};
    listener.packet = [this](path_id, const std::string&) { ++packets; };
    auto opened = open_caf_transport(*system, to, std::move(listener));
    BOOST_REQUIRE(opened);
    port = std::move(*opened);
  }

  ~open_port_fixture() {
    port->close();
  }

  /// The bytes of a header, followed by a payload.
  template <class... Ts>
  std::string message(header head, const Ts&... payload) {
    std::vector<char> bytes;
    caf::binary_serializer sink(*system, bytes);
    if constexpr (sizeof...(payload) > 0)
      BOOST_REQUIRE(!sink(const_cast<Ts&>(payload)...));
    if (head.payload_len == 0)
      head.payload_len = static_cast<std::uint32_t>(bytes.size());
    std::vector<char> out;
    caf::binary_serializer head_sink(*system, out);
    BOOST_REQUIRE(!head_sink(head));
    out.insert(out.end(), bytes.begin(), bytes.end());
    return {out.begin(), out.end()};
  }

  /// A header that CAF accepts.
  static header header_of(message_type operation, std::uint32_t length,
                          std::uint64_t to = 0) {
    switch (operation) {
    case message_type::server_handshake:
    case message_type::client_handshake:
      return header(operation, 0, length, 2, 0, 0);
    case message_type::down_message:
      return header(operation, 0, length, 0, 1, 0);
    case message_type::monitor_message:
      return header(operation, 0, length, 0, 0, to);
    default:
      return header(operation, 0, length, 0, 1, to);
    }
  }

  /// The message by which a process introduces itself.
  std::string handshake(std::uint32_t process) {
    return message(header_of(message_type::client_handshake, 0),
                   caf::make_node_id(process, std::string(40, 'a')).value());
  }

  /// The number of the published actor, from the handshake of the port.
  std::uint64_t published_actor(const loopback_peer& peer) {
    std::string bytes;
    header head;
    do {
      bytes += peer.receive();
      std::vector<char> buffer(bytes.begin(), bytes.end());
      caf::binary_deserializer source(*system, buffer);
      if (bytes.size() >= caf::io::basp::header_size)
        BOOST_REQUIRE(!source(head));
    } while (bytes.size() < caf::io::basp::header_size + head.payload_len);
    std::vector<char> buffer(bytes.begin() + caf::io::basp::header_size,
                             bytes.end());
    caf::binary_deserializer source(*system, buffer);
    caf::node_id node;
    std::vector<std::string> applications;
    caf::actor_id id = 0;
    BOOST_REQUIRE(!source(node, applications, id));
    return id;
  }

  reserved_ports ports{1};
  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
  std::atomic<int> packets{0};
  std::unique_ptr<transport> port;
};

/// A message of an unauthenticated peer.
struct hostile_message {
  const char* name;
  message_type operation;
  std::uint32_t length;
  bool introduced; ///< Sent after the handshake.
};

std::ostream& operator<<(std::ostream& out, const hostile_message& x) {
  return out << x.name;
}

const std::vector<hostile_message> announcements{
  {"message", message_type::direct_message, announced_max, false},
  {"client handshake", message_type::client_handshake, announced_max, false},
  {"server handshake", message_type::server_handshake, announced_max, false},
  {"handshake of 64 KiB", message_type::client_handshake, 64U << 10U, false},
  {"routed message", message_type::routed_message, announced_max, false},
  {"monitor", message_type::monitor_message, announced_max, false},
  {"message after the handshake", message_type::direct_message, announced_max,
   true},
  {"routed message after the handshake", message_type::routed_message, 100,
   true},
  {"down after the handshake", message_type::down_message, announced_max, true},
  {"monitor after the handshake", message_type::monitor_message, 1U << 20U,
   true},
  {"second handshake", message_type::client_handshake, announced_max, true},
};

} // namespace

BOOST_AUTO_TEST_SUITE(cluster_port)

// Regression: 32 bytes at the cluster port announced 4 GiB, and CAF allocated
// them.
BOOST_DATA_TEST_CASE(announced_length_is_not_allocated,
                     boost::unit_test::data::make(announcements), sent) {
  open_port_fixture node;
  const loopback_peer peer(node.ports.at(0));
  const auto actor = node.published_actor(peer);
  if (sent.introduced)
    BOOST_REQUIRE(peer.send(node.handshake(77)));
  const peak_memory used;
  peer.send(node.message(
    open_port_fixture::header_of(sent.operation, sent.length, actor)));
  peer.receive_until_closed();
  BOOST_TEST(used.growth() < memory_max);
}

// Regression: a list of bytes inside a message announced its length, which CAF
// allocated before it compared the length with the message. The exception of a
// longer one ended the broker, and with it the port.
BOOST_AUTO_TEST_CASE(announced_length_in_a_message_is_not_allocated) {
  open_port_fixture node;
  const auto payload_of = [&](std::string_view type, std::uint64_t length) {
    // No forwarding stages, type number 0, the name of the type, and the length
    // as groups of seven bits.
    std::string out(1, '\0');
    out += std::string(2, '\0');
    out += static_cast<char>(type.size());
    out += type;
    for (; length > 0x7F; length >>= 7U)
      out += static_cast<char>(length | 0x80U);
    out += static_cast<char>(length);
    return out;
  };
  for (const std::string_view type :
       {"@<>+@charbuf", "@<>+@u16str", "@<>+@u32str", "@<>+@strmap",
        "@<>+@str_set", "@<>+@error", "@<>+@message", "nothing", ""})
    for (const std::uint64_t length :
         {std::uint64_t{1} << 30U, std::uint64_t{1} << 31U}) {
      const loopback_peer peer(node.ports.at(0));
      const auto actor = node.published_actor(peer);
      const peak_memory used;
      const std::string payload = payload_of(type, length);
      BOOST_REQUIRE(peer.send(node.handshake(78)));
      peer.send(node.message(open_port_fixture::header_of(
                  message_type::direct_message,
                  static_cast<std::uint32_t>(payload.size()), actor))
                + payload);
      peer.receive_until_closed();
      BOOST_TEST(used.growth() < memory_max, type);
    }
  // The port still serves other peers.
  const loopback_peer peer(node.ports.at(0));
  const auto actor = node.published_actor(peer);
  BOOST_REQUIRE(peer.send(node.handshake(79)));
  peer.send(node.message(
    open_port_fixture::header_of(message_type::direct_message, 0, actor),
    std::vector<caf::strong_actor_ptr>{},
    caf::make_message(std::string("a packet"))));
  BOOST_TEST(eventually([&] { return node.packets == 1; }));
}

BOOST_AUTO_TEST_CASE(largest_packet_is_accepted) {
  open_port_fixture node;
  const loopback_peer peer(node.ports.at(0));
  const auto actor = node.published_actor(peer);
  BOOST_REQUIRE(peer.send(node.handshake(80)));
  packet largest;
  const std::string bytes(packet_bytes_max, 'x');
  largest.bytes = bytes;
  BOOST_REQUIRE(peer.send(node.message(
    open_port_fixture::header_of(message_type::direct_message, 0, actor),
    std::vector<caf::strong_actor_ptr>{},
    caf::make_message(encode_packet(largest)))));
  BOOST_TEST(eventually([&] { return node.packets == 1; }));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
