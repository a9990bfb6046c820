// What another process sends to a node's router. The input is pieces, each
// after a letter:
//   p  a packet as it stands
//   d  a data packet of the session that is up; the piece is its stream
//   e  one message of that session; the piece is an envelope's bytes
//   h  a hello by another path; the piece is what it says
// A piece ends at a byte 0xFF; 0xFE makes the byte after it a plain one.
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
constexpr moment now = std::chrono::hours(1);
constexpr std::uint32_t partitions = 4;

/// Odd ones are node-2's.
const placement owners{{"node-1", "node-2"}, {0, 1, 0, 1}};

partition_id partition_by_size(const persistence::instance_id& id,
                               std::uint32_t count) {
  return partition_id(static_cast<std::uint32_t>(id.size()) % count);
}

/// Planted: the router's is another one than everybody else's.
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

/// Notes what must never be.
class suspicious_host final : public router_host {
public:
  void deliver(partition_id to, actors::inbound message) override {
    if (owners.owner_of(to) != "node-1")
      complain("a message goes to a partition that is elsewhere");
    if (const auto* from = std::get_if<actors::partition_message>(&message))
      check_source(from->from);
    if (const auto* from
        = std::get_if<actors::partition_acknowledgement>(&message))
      check_source(from->from);
    if (const auto* request = std::get_if<actors::management_inbound>(&message);
        request != nullptr
        && partition_by_size(actors::instance_of(request->request), partitions)
             != to)
      complain("a request goes to another partition than its instance's");
  }

  void answer(actors::reply_to, actors::management_answer) override {
    complain("somebody is answered who has not asked");
  }

  void send(path_id, std::string packet) override {
    if (packet.size() > packet_bytes_max + 64)
      complain("a packet is too long");
    sent.push_back(std::move(packet));
  }

  void peer_returned(const std::vector<partition_id>&) override {}

  void look_up(std::uint64_t, question) override {}

  void answered(std::uint64_t, persistence::result<question_answer>) override {
    complain("a question is answered that nobody has asked");
  }

  void must_stop(const persistence::error&) override {}

  void met(const peer_hello&) override {}

  void log(int, const std::string&) override {}

  std::vector<std::string> sent;
  broken_promise broken;

private:
  /// Each partition speaks through its owner.
  void check_source(partition_id from) {
    if (persistence::index_of(from) >= partitions
        || owners.owner_of(from) != "node-2")
      complain("a partition's message comes from one that does not own it");
  }

  void complain(const char* sentence) {
    if (broken.empty())
      broken = sentence;
  }
};

class session {
public:
  session() : router_(config(), host_) {
    router_.serve(true);
    router_.path_opened(peer_path, "node-2", now);
    router_.flush(now);
    for (const std::string& bytes : std::exchange(host_.sent, {}))
      if (const auto hello = decode_packet(bytes))
        ours_ = hello->from;
    packet hello;
    hello.kind = packet_kind::hello;
    hello.from = peer_session;
    hello.to = ours_;
    const std::string words = encode_hello(hello_of("node-2"));
    hello.bytes = words;
    take(peer_path, encode_packet(hello));
  }

  void piece(char kind, std::string_view bytes) {
    packet what;
    what.from = peer_session;
    what.to = ours_;
    std::string framed;
    switch (kind) {
    case 'p':
      take(peer_path, std::string(bytes));
      return;
    case 'e':
      framed = persistence::big_endian(bytes.size());
      framed += bytes;
      bytes = framed;
      [[fallthrough]];
    case 'd':
      what.kind = packet_kind::data;
      what.number = ++number_;
      what.bytes = bytes;
      take(peer_path, encode_packet(what));
      return;
    case 'h':
      what.kind = packet_kind::hello;
      what.to = 0;
      what.bytes = bytes;
      take(other_path, encode_packet(what));
      return;
    default:
      return;
    }
  }

  broken_promise judge() {
    router_.tick(now + std::chrono::seconds(2));
    router_.flush(now + std::chrono::seconds(2));
    router_.close(now + std::chrono::seconds(2));
    return host_.broken;
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

  void take(path_id from, const std::string& bytes) {
    router_.take_packet(from, bytes, now);
    router_.flush(now);
  }

  suspicious_host host_;
  node_router router_;
  std::uint64_t ours_ = 0;
  std::uint64_t number_ = 0;
};

} // namespace

broken_promise fuzz_packets(std::string_view bytes) {
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
  return with_peer.judge();
}

} // namespace perdura::tests
