#include "actors/partition/partition_processor.hpp"

#include <algorithm>

// The way out to other partitions. A message leaves when its cause is durable,
// and leaves again when its receiver's owner comes back; the receiver takes
// each once, in order, whatever comes.

namespace perdura::actors {

namespace {

// So many are on their way again before the receiver has confirmed some: a
// long outbox does not flood a node that has just come back.
constexpr std::size_t resend_window = 256;

} // namespace

void partition_processor::send_from_outbox(outbox_message message) {
  const partition_id to = message.to;
  auto& sent = outbox_sent_[to];
  sent = std::max(sent, message.sequence);
  // Behind a window it would come too early; its turn comes.
  if (resending_.contains(to))
    return;
  host_.send({state_.config.id, std::move(message)}, to);
}

void partition_processor::resend(std::span<const partition_id> to) {
  for (const partition_id each : to) {
    resending_[each] = 0;
    send_window(each);
  }
}

/// What is durable and behind the last window; when that is all, the way is
/// as it always was.
void partition_processor::send_window(partition_id to) {
  const auto box = state_.outbox.find(to);
  const std::uint64_t last = outbox_sent_[to];
  std::uint64_t& window = resending_[to];
  std::size_t count = 0;
  if (box != state_.outbox.end()) {
    const auto known = state_.acknowledged.find(to);
    std::uint64_t from = window;
    if (known != state_.acknowledged.end())
      from = std::max(from, known->second);
    for (auto it = box->second.upper_bound(from);
         it != box->second.end() && it->first <= last && count < resend_window;
         ++it, ++count) {
      window = it->first;
      host_.send({state_.config.id, it->second}, to);
    }
  }
  if (count < resend_window)
    resending_.erase(to);
}

void partition_processor::take_acknowledgement(
  const partition_acknowledgement& note, timestamp at) {
  // Of what was never sent: nobody says that who is in his right mind.
  const auto sent = outbox_sent_.find(note.from);
  if (sent == outbox_sent_.end() || note.sequence > sent->second)
    return;
  auto& known = state_.acknowledged[note.from];
  known = std::max(known, note.sequence);
  if (!acknowledge_at_)
    acknowledge_at_ = at + state_.config.acknowledge_wait_max;
  const auto again = resending_.find(note.from);
  if (again != resending_.end() && note.sequence >= again->second)
    send_window(note.from);
}

} // namespace perdura::actors
