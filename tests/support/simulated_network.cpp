// SPDX-License-Identifier: Apache-2.0
#include "tests/support/simulated_network.hpp"

#include "cluster/transport/packet.hpp"
#include "persistence/records/keys.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace perdura::tests {

using namespace cluster;
using namespace std::chrono_literals;

void simulated_network::add(network_endpoint& process) {
  endpoints_.push_back(&process);
}

/// True if the process `at` has run without a restart since the path was
/// opened.
bool simulated_network::is_current(const connection& one, unsigned at) const {
  return endpoints_[at]->is_running()
         && endpoints_[at]->start_count()
              == (at == one.initiator ? one.initiator_start
                                      : one.acceptor_start);
}

// --- Paths -------------------------------------------------------------------

/// A client connects to all nodes, a node only to those with a greater number.
void simulated_network::process_started(unsigned number) {
  const unsigned start_count = endpoints_[number]->start_count();
  for (unsigned other = 0; other < endpoints_.size(); ++other)
    if (!endpoints_[other]->is_client()
        && (endpoints_[number]->is_client() || number < other))
      simulator_.after(simulator_.between(100us, 30ms),
                       [this, number, other, start_count] {
                         connect(number, other, start_count);
                       });
}

/// Opens a path, or tries again later if the peer cannot be reached.
void simulated_network::connect(unsigned from, unsigned to,
                                unsigned start_count) {
  if (!endpoints_[from]->is_running()
      || endpoints_[from]->start_count() != start_count)
    return;
  if (!endpoints_[to]->is_running() || conditions_[{from, to}].is_cut
      || conditions_[{to, from}].is_cut) {
    simulator_.after(
      simulator_.between(200ms, 400ms),
      [this, from, to, start_count] { connect(from, to, start_count); });
    return;
  }
  const path_id path = ++last_path_;
  connections_[path]
    = {from, to, start_count, endpoints_[to]->start_count(), false};
  simulator_.trace("path", path);
  endpoints_[from]->path_opened(path, to);
}

/// Reports to the process `towards` that its peer has ended. If that process
/// is the initiator, it connects again later.
void simulated_network::close(path_id path, unsigned towards) {
  const connection one = connections_.at(path);
  if (is_current(one, towards)
      && (towards == one.initiator || one.acceptor_received))
    endpoints_[towards]->path_closed(path);
  connections_.erase(path);
  if (towards != one.initiator || !is_current(one, towards))
    return;
  const unsigned start_count = one.initiator_start;
  simulator_.after(simulator_.between(50ms, 300ms),
                   [this, from = one.initiator, to = one.acceptor,
                    start_count] { connect(from, to, start_count); });
}

void simulated_network::process_crashed(unsigned number) {
  for (const auto& [path, one] : connections_) {
    if (one.initiator != number && one.acceptor != number)
      continue;
    const unsigned left
      = one.initiator == number ? one.acceptor : one.initiator;
    // After the end of a process, the kernel closes its connections at once.
    // After a loss of power, peers notice only when they time out.
    const bool silent = simulator_.once_in(4);
    simulator_.after(silent ? simulator_.between(1500ms, 3s)
                            : simulator_.between(1ms, 40ms),
                     [this, path = path, left] {
                       if (connections_.contains(path))
                         close(path, left);
                     });
  }
}

// --- Packets -----------------------------------------------------------------

/// Applies the conditions of the link to the packet.
void simulated_network::send(unsigned from, path_id path, std::string packet) {
  count_packet(packet);
  const auto found = connections_.find(path);
  if (found == connections_.end() || !is_current(found->second, from))
    return;
  const connection& one = found->second;
  const unsigned to = one.initiator == from ? one.acceptor : one.initiator;
  const link_conditions& now = conditions_[{from, to}];
  if (now.is_cut) {
    simulator_.count("fault: packet into a cut");
    return;
  }
  if (now.lost != 0 && simulator_.once_in(now.lost)) {
    simulator_.count("fault: loss");
    return;
  }
  const int times
    = now.duplicated != 0 && simulator_.once_in(now.duplicated) ? 2 : 1;
  if (times == 2)
    simulator_.count("fault: duplication");
  for (int i = 0; i < times; ++i) {
    steady_time delay = simulator_.between(50us, 800us);
    if (now.delayed != 0 && simulator_.once_in(now.delayed)) {
      simulator_.count("fault: delay and reordering");
      delay += simulator_.between(1ms, 150ms);
    }
    simulator_.after(delay,
                     [this, path, to, packet] { deliver(path, to, packet); });
  }
}

/// The acceptor learns of the path with the first packet.
void simulated_network::deliver(path_id path, unsigned to,
                                const std::string& packet) {
  const auto found = connections_.find(path);
  if (found == connections_.end() || !is_current(found->second, to))
    return;
  found->second.acceptor_received = true;
  simulator_.trace("packet", to, packet);
  endpoints_[to]->receive_packet(path, packet);
}

void simulated_network::send_foreign_packets(unsigned to) {
  if (!endpoints_[to]->is_running())
    return;
  const path_id path
    = ++last_path_; // No connection has this number, so every response is lost.
  peer_hello hello;
  hello.hub_id = "another hub";
  hello.node = "node-1";
  const std::string bytes = encode_hello(hello);
  packet what;
  what.kind = packet_kind::hello;
  what.from = simulator_.below(1'000) + 1;
  what.bytes = bytes;
  endpoints_[to]->receive_packet(path, encode_packet(what));
  what.kind = packet_kind::data;
  what.number = 1;
  endpoints_[to]->receive_packet(path, encode_packet(what));
  endpoints_[to]->receive_packet(path, "GET / HTTP/1.1\r\n\r\n");
}

/// Counts packets and the messages in them by kind.
void simulated_network::count_packet(const std::string& packet) {
  static constexpr std::array kinds{"packet: hello", "packet: refusal",
                                    "packet: data", "packet: heartbeat"};
  static constexpr std::array messages{
    "envelope: remote_request",         "envelope: remote_cancel",
    "envelope: remote_answer",          "envelope: remote_message",
    "envelope: remote_acknowledgement", "envelope: remote_query",
    "envelope: remote_query_answer"};
  const auto what = decode_packet(packet);
  if (!what) {
    simulator_.report_violation("a node has sent bytes that are no packet");
    return;
  }
  simulator_.count(kinds.at(static_cast<std::size_t>(what->kind) - 1));
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
      simulator_.count(messages.at(message->index()));
    else
      simulator_.report_violation(
        "a node has sent a message that is no envelope");
    at += frame + size;
  }
  bytes.erase(0, at);
}

} // namespace perdura::tests
