// SPDX-License-Identifier: Apache-2.0
// Packets from another process to the router of a node. The input is a sequence
// of pieces. The first byte of a piece is its kind:
//   p  a whole packet on the connection of the peer
//   d  a data packet of the peer's session; the piece is its part of the stream
//   e  one message of that session; the piece is the encoded envelope
//   h  a hello on a second connection; the piece is the encoded hello
// The byte 0xFF ends a piece. The byte 0xFE means that the next byte is part of
// the piece, whatever its value.
#include "cluster/routing/node_router.hpp"
#include "persistence/records/keys.hpp"
#include "tests/fuzz/fuzz_targets.hpp"

#include <utility>

namespace perdura::tests {

namespace {

using namespace perdura::cluster;
using persistence::partition_id;

constexpr path_id peer_path = 1;
constexpr path_id other_path = 2;
constexpr std::uint64_t peer_session = 77;
constexpr steady_time now = std::chrono::hours(1);
constexpr std::uint32_t partitions = 4;

/// node-1 owns the even partitions, node-2 the odd ones.
const placement owners{{"node-1", "node-2"}, {0, 1, 0, 1}};

partition_id partition_by_size(const persistence::instance_id& id,
                               std::uint32_t count) {
  return partition_id(static_cast<std::uint32_t>(id.size()) % count);
}

/// The planted fault: the router uses another partition function than its peer.
partition_id partition_by_letter(const persistence::instance_id& id,
                                 std::uint32_t count) {
  return partition_id(id.empty() ? 0
                                 : static_cast<unsigned char>(id[0]) % count);
}

peer_hello hello_of(const node_id& node) {
  peer_hello hello;
  hello.hub_id = "hub";
  hello.partition_count = partitions;
  hello.owners = owners;
  hello.node = node;
  hello.directory = "directory of " + node;
  return hello;
}

/// Receives the effects of the router and records the first forbidden one.
class checking_host final : public router_host {
public:
  void deliver(partition_id to, actors::inbound message) override {
    if (owners.owner_of(to) != "node-1")
      report("a message is delivered to a partition of another node");
    if (const auto* from = std::get_if<actors::partition_message>(&message))
      check_source(from->from);
    if (const auto* from
        = std::get_if<actors::partition_acknowledgement>(&message))
      check_source(from->from);
    if (const auto* request = std::get_if<actors::management_inbound>(&message);
        request != nullptr
        && partition_by_size(actors::instance_of(request->request), partitions)
             != to)
      report("a request is delivered to another partition than that of its "
             "instance");
  }

  void answer(actors::reply_to, actors::management_answer) override {
    report("an answer is delivered although no request was sent");
  }

  void send(path_id, std::string packet) override {
    if (packet.size() > packet_bytes_max + 64)
      report("a packet is longer than packet_bytes_max allows");
    sent.push_back(std::move(packet));
  }

  void peer_returned(const std::vector<partition_id>&) override {}

  void run_local_query(std::uint64_t, node_query) override {}

  void peer_query_completed(std::uint64_t,
                            persistence::result<node_query_answer>) override {
    report("a query is completed although none was sent");
  }

  void must_stop(const persistence::error&) override {}

  void peer_connected(const peer_hello&) override {}

  void log(persistence::log_level, const std::string&) override {}

  std::vector<std::string> sent;
  violation found;

private:
  /// A message of a partition must come from the node that owns the partition.
  void check_source(partition_id from) {
    if (persistence::index_of(from) >= partitions
        || owners.owner_of(from) != "node-2")
      report("a message of a partition comes from a node that does not own it");
  }

  void report(const char* sentence) {
    if (found.empty())
      found = sentence;
  }
};

/// A router with one peer that is connected and has completed its handshake.
class session {
public:
  session() : router_(config(), host_) {
    router_.serve(true);
    router_.path_opened(peer_path, "node-2", now);
    router_.flush(now);
    for (const std::string& bytes : std::exchange(host_.sent, {}))
      if (const auto hello = decode_packet(bytes))
        router_session_ = hello->from;
    packet hello;
    hello.kind = packet_kind::hello;
    hello.from = peer_session;
    hello.to = router_session_;
    const std::string encoded = encode_hello(hello_of("node-2"));
    hello.bytes = encoded;
    receive(peer_path, encode_packet(hello));
  }

  /// Delivers one piece of the input.
  void piece(char kind, std::string_view bytes) {
    packet outer;
    outer.from = peer_session;
    outer.to = router_session_;
    std::string framed;
    switch (kind) {
    case 'p':
      receive(peer_path, std::string(bytes));
      return;
    case 'e':
      framed = persistence::big_endian(bytes.size());
      framed += bytes;
      bytes = framed;
      [[fallthrough]];
    case 'd':
      outer.kind = packet_kind::data;
      outer.number = ++number_;
      outer.bytes = bytes;
      receive(peer_path, encode_packet(outer));
      return;
    case 'h':
      outer.kind = packet_kind::hello;
      outer.to = 0;
      outer.bytes = bytes;
      receive(other_path, encode_packet(outer));
      return;
    default:
      return;
    }
  }

  /// Lets time pass, closes the router and returns the violation.
  violation finish() {
    router_.tick(now + std::chrono::seconds(2));
    router_.flush(now + std::chrono::seconds(2));
    router_.close(now + std::chrono::seconds(2));
    return host_.found;
  }

private:
  static router_config config() {
    router_config made;
    made.self = hello_of("node-1");
    made.peers = {"node-2"};
    made.partition_of
      = is_planted("packets") ? partition_by_letter : partition_by_size;
    made.random = [n = std::uint64_t{0}]() mutable { return ++n; };
    return made;
  }

  void receive(path_id from, const std::string& bytes) {
    router_.receive_packet(from, bytes, now);
    router_.flush(now);
  }

  checking_host host_;
  node_router router_;
  std::uint64_t router_session_ = 0;
  std::uint64_t number_ = 0;
};

} // namespace

violation fuzz_packets(std::string_view bytes) {
  session with_peer;
  std::string piece;
  char kind = 0;
  bool is_plain = false;
  for (const char c : bytes) {
    if (!is_plain && c == '\xFE') {
      is_plain = true;
    } else if (!is_plain && c == '\xFF') {
      with_peer.piece(kind, piece);
      piece.clear();
      kind = 0;
    } else {
      if (kind == 0)
        kind = c;
      else
        piece += c;
      is_plain = false;
    }
  }
  with_peer.piece(kind, piece);
  return with_peer.finish();
}

} // namespace perdura::tests
