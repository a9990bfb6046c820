// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/partition_processor.hpp"

#include <algorithm>

// The part of partition_processor that sends messages to other partitions. A
// message is sent when the turn that wrote it is durable, and sent again when
// the node that owns the destination has become reachable again. The
// destination accepts each message once, in order of sequence.

namespace perdura::actors {

namespace {

// Maximum number of messages to one destination that have been sent and are not
// acknowledged. The limit keeps a long outbox from flooding a node that was
// away, or the process after its own start.
constexpr std::size_t send_window_max = 1'024;

} // namespace

void partition_processor::send_from_outbox(outbox_message message) {
  const partition_id to = message.to;
  auto& sent = outbox_sent_[to];
  sent = std::max(sent, message.sequence);
  // If the window is full, or earlier messages are being sent again,
  // `send_window` sends this message after them.
  if (resending_.contains(to))
    return;
  if (message.sequence > acknowledged_by(to) + send_window_max) {
    resending_[to] = message.sequence - 1;
    return;
  }
  host_.send({durable().config.id, std::move(message)}, to);
}

/// The last message that the destination is known to have made durable. Called
/// only while a message to the destination is not acknowledged.
std::uint64_t partition_processor::acknowledged_by(partition_id to) const {
  const auto known = live_.acknowledged.find(to);
  const auto box = durable().outbox.find(to);
  std::uint64_t last = known == live_.acknowledged.end() ? 0 : known->second;
  if (box != durable().outbox.end() && !box->second.empty())
    last = std::max(last, box->second.begin()->first - 1);
  return last;
}

void partition_processor::resend(std::span<const partition_id> to) {
  for (const partition_id each : to) {
    resending_[each] = 0;
    send_window(each);
  }
}

/// Sends up to `send_window_max` durable messages that are not
/// acknowledged. When no message is left to send, `to` is removed from
/// `resending_`, and `send_from_outbox` sends new messages at once again.
void partition_processor::send_window(partition_id to) {
  const auto box = durable().outbox.find(to);
  const std::uint64_t last = outbox_sent_[to];
  std::uint64_t& window = resending_[to];
  std::size_t count = 0;
  if (box != durable().outbox.end()) {
    const auto known = live_.acknowledged.find(to);
    std::uint64_t from = window;
    if (known != live_.acknowledged.end())
      from = std::max(from, known->second);
    for (auto it = box->second.upper_bound(from);
         it != box->second.end() && it->first <= last
         && count < send_window_max;
         ++it, ++count) {
      window = it->first;
      host_.send({durable().config.id, it->second}, to);
    }
  }
  if (count < send_window_max)
    resending_.erase(to);
}

void partition_processor::handle_acknowledgement(
  const partition_acknowledgement& note, timestamp at) {
  // Ignore acknowledgements beyond the last sequence sent.
  const auto sent = outbox_sent_.find(note.from);
  if (sent == outbox_sent_.end() || note.sequence > sent->second)
    return;
  auto& known = live_.acknowledged[note.from];
  known = std::max(known, note.sequence);
  if (!acknowledge_at_)
    acknowledge_at_ = at + durable().config.acknowledge_wait_max;
  const auto again = resending_.find(note.from);
  if (again != resending_.end() && note.sequence >= again->second)
    send_window(note.from);
}

} // namespace perdura::actors
