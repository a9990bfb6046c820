#include "tests/support/simulated_network.hpp"

#include "cluster/transport/packet.hpp"
#include "persistence/records/keys.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace perdura::tests {

using namespace cluster;
using namespace std::chrono_literals;

void simulated_network::add(wire_end& process) {
  ends_.push_back(&process);
}

bool simulated_network::is_current(const wire& one, unsigned at) const {
  return ends_[at]->is_alive()
         && ends_[at]->life()
              == (at == one.dialer ? one.dialer_life : one.other_life);
}

// --- Paths -------------------------------------------------------------------

void simulated_network::process_started(unsigned number) {
  const unsigned life = ends_[number]->life();
  for (unsigned other = 0; other < ends_.size(); ++other)
    if (!ends_[other]->is_client()
        && (ends_[number]->is_client() || number < other))
      world_.after(world_.between(100us, 30ms),
                   [this, number, other, life] { dial(number, other, life); });
}

void simulated_network::dial(unsigned from, unsigned to, unsigned life) {
  if (!ends_[from]->is_alive() || ends_[from]->life() != life)
    return;
  if (!ends_[to]->is_alive() || weather_[{from, to}].is_cut
      || weather_[{to, from}].is_cut) {
    world_.after(world_.between(200ms, 400ms),
                 [this, from, to, life] { dial(from, to, life); });
    return;
  }
  const path_id path = ++last_path_;
  wires_[path] = {from, to, life, ends_[to]->life(), false};
  world_.trace("path", path);
  ends_[from]->path_opened(path, to);
}

/// Tells one side, sooner or later, that the other has gone.
void simulated_network::close(path_id path, unsigned towards) {
  const wire one = wires_.at(path);
  if (is_current(one, towards) && (towards == one.dialer || one.other_knows))
    ends_[towards]->path_closed(path);
  wires_.erase(path);
  if (towards != one.dialer || !is_current(one, towards))
    return;
  const unsigned life = one.dialer_life;
  world_.after(
    world_.between(50ms, 300ms),
    [this, from = one.dialer, to = one.other, life] { dial(from, to, life); });
}

void simulated_network::process_died(unsigned number) {
  for (const auto& [path, one] : wires_) {
    if (one.dialer != number && one.other != number)
      continue;
    const unsigned left = one.dialer == number ? one.other : one.dialer;
    // The kernel says so at once; of a machine that has lost its power nobody
    // says anything for long.
    const bool silent = world_.once_in(4);
    world_.after(silent ? world_.between(1500ms, 3s)
                        : world_.between(1ms, 40ms),
                 [this, path = path, left] {
                   if (wires_.contains(path))
                     close(path, left);
                 });
  }
}

// --- Packets -----------------------------------------------------------------

void simulated_network::send(unsigned from, path_id path, std::string packet) {
  look_into(packet);
  const auto found = wires_.find(path);
  if (found == wires_.end() || !is_current(found->second, from))
    return;
  const wire& one = found->second;
  const unsigned to = one.dialer == from ? one.other : one.dialer;
  const weather& now = weather_[{from, to}];
  if (now.is_cut) {
    world_.count("fault: packet into a cut");
    return;
  }
  if (now.lost != 0 && world_.once_in(now.lost)) {
    world_.count("fault: loss");
    return;
  }
  const int times = now.repeated != 0 && world_.once_in(now.repeated) ? 2 : 1;
  if (times == 2)
    world_.count("fault: duplication");
  for (int i = 0; i < times; ++i) {
    moment delay = world_.between(50us, 800us);
    if (now.late != 0 && world_.once_in(now.late)) {
      world_.count("fault: delay and reordering");
      delay += world_.between(1ms, 150ms);
    }
    world_.after(delay,
                 [this, path, to, packet] { deliver(path, to, packet); });
  }
}

void simulated_network::deliver(path_id path, unsigned to,
                                const std::string& packet) {
  const auto found = wires_.find(path);
  if (found == wires_.end() || !is_current(found->second, to))
    return;
  found->second.other_knows = true;
  world_.trace("packet", to, packet);
  ends_[to]->take_packet(path, packet);
}

void simulated_network::intrude(unsigned to) {
  if (!ends_[to]->is_alive())
    return;
  const path_id path = ++last_path_; // no wire: what is answered is lost
  peer_hello hello;
  hello.hub_id = "another hub";
  hello.node = "node-1";
  const std::string bytes = encode_hello(hello);
  packet what;
  what.kind = packet_kind::hello;
  what.from = world_.below(1'000) + 1;
  what.bytes = bytes;
  ends_[to]->take_packet(path, encode_packet(what));
  what.kind = packet_kind::data;
  what.number = 1;
  ends_[to]->take_packet(path, encode_packet(what));
  ends_[to]->take_packet(path, "GET / HTTP/1.1\r\n\r\n");
}

/// What is sent, as an eavesdropper would count it.
void simulated_network::look_into(const std::string& packet) {
  static constexpr std::array kinds{"packet: hello", "packet: refusal",
                                    "packet: data", "packet: heartbeat"};
  static constexpr std::array messages{"envelope: remote_request",
                                       "envelope: remote_cancel",
                                       "envelope: remote_answer",
                                       "envelope: remote_message",
                                       "envelope: remote_acknowledgement",
                                       "envelope: remote_question",
                                       "envelope: remote_reply"};
  const auto what = decode_packet(packet);
  if (!what) {
    world_.complain("a node has sent what is no packet");
    return;
  }
  world_.count(kinds.at(static_cast<std::size_t>(what->kind) - 1));
  if (what->kind != packet_kind::data)
    return;
  std::string& bytes = streams_[what->from].bytes;
  bytes += what->bytes;
  std::size_t at = 0;
  constexpr std::size_t frame = sizeof(std::uint64_t);
  while (bytes.size() - at >= frame) {
    const std::uint64_t size
      = persistence::parse_big_endian(std::string_view(bytes).substr(at, frame))
          .value_or(0);
    if (bytes.size() - at - frame < size)
      break;
    const auto message
      = decode_envelope(std::string_view(bytes).substr(at + frame, size));
    if (message)
      world_.count(messages.at(message->index()));
    else
      world_.complain("a node has sent what is no envelope");
    at += frame + size;
  }
  bytes.erase(0, at);
}

} // namespace perdura::tests
