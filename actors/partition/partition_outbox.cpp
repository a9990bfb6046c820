// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/pair_numbers.hpp"
#include "actors/partition/partition_processor.hpp"
#include "actors/partition/steps.hpp"
#include "persistence/records/keys.hpp"
#include "persistence/records/message_bytes.hpp"

#include <algorithm>
#include <utility>

// The part of partition_processor that sends messages to other partitions. A
// message is sent when the turn that wrote it is durable, and sent again when
// the node that owns the destination has become reachable again. The
// destination accepts each message once, in order of sequence. Messages that
// are not in memory are read from the journal when they are sent.

namespace perdura::actors {

using namespace persistence;

namespace {

// Maximum number and size of the messages to one destination that have been
// sent and are not acknowledged. The limits keep a long outbox from flooding a
// node that was away, or the process after its own start. Messages that are
// sent when they become durable are in memory, so the bound of these limits
// their size.
constexpr std::uint64_t send_window_max = 1'024;
constexpr std::size_t send_window_bytes_max = 1U << 20U;

// Maximum number of instances that `stuck` lists because they wait for space in
// an outbox.
constexpr std::size_t waits_listed_max = 1'000;

} // namespace

/// All messages to the destination up to `last` are durable. Sends those that
/// are in memory and fit into the window.
void partition_processor::send_from_outbox(partition_id to,
                                           std::uint64_t last) {
  if (!probe_.at)
    probe_.at = clock_.elapsed() + durable().config.probe_interval;
  auto& durable_last = outbox_sent_[to];
  if (last <= durable_last)
    return;
  const std::uint64_t acknowledged = acknowledged_by(to);
  std::uint64_t sent = std::max(durable_last, acknowledged);
  durable_last = last;
  // Until the numbers are agreed, the destination could take the message for
  // another one.
  if (!has_agreed(durable(), to))
    return;
  // If the window is full, or earlier messages are being sent again,
  // `send_window` sends these messages after them.
  if (resending_.contains(to))
    return;
  const auto& kept = durable().outbox.at(to).kept;
  const std::uint64_t end = std::min(last, acknowledged + send_window_max);
  for (auto next = kept.upper_bound(sent);
       sent < end && next != kept.end() && next->first == sent + 1; ++next) {
    host_.send({durable().config.id, next->second}, to);
    ++sent;
  }
  if (sent == last)
    return;
  resending_[to] = sent;
  if (sent < end)
    send_window(to);
}

/// The last message that the destination is known to have made durable.
std::uint64_t partition_processor::acknowledged_by(partition_id to) const {
  return durable().outbox_head(to) - unacknowledged(durable(), live_, to);
}

/// Sends the oldest message again to each destination that has acknowledged
/// nothing since the last call. Its acknowledgement makes `send_window` send
/// the others. A destination that has no space for a message drops it and all
/// after it, so this is also how it gets them when it has space.
void partition_processor::probe_outbox() {
  probe_.at.reset();
  for (const auto& [to, last] : outbox_sent_) {
    if (!has_agreed(durable(), to))
      continue;
    const std::uint64_t acknowledged = acknowledged_by(to);
    if (acknowledged >= last)
      continue;
    probe_.at = live_.now + durable().config.probe_interval;
    const auto [before, is_new]
      = probe_.acknowledged.try_emplace(to, acknowledged);
    if (is_new || std::exchange(before->second, acknowledged) != acknowledged)
      continue;
    resending_[to] = acknowledged;
    send_messages(to, acknowledged + 1);
  }
}

void partition_processor::resend(std::span<const partition_id> to) {
  for (const partition_id each : to)
    if (numbers_of(durable(), each) != pair_numbers{}
        || !has_agreed(durable(), each)) {
      // Acknowledgements of the last session that are not durable are dropped,
      // as in a crash. If the other node has lost its directory since, its
      // partition takes over the durable numbers, and gets these messages
      // again.
      live_.acknowledged.erase(each);
      resending_[each] = 0; // new messages follow those that are sent again
      state_numbers(each, true);
    }
}

/// Sends the next durable messages that are not acknowledged, as many as fit
/// into the window. When no message is left to send, `to` is removed from
/// `resending_`, and `send_from_outbox` sends new messages at once again.
void partition_processor::send_window(partition_id to) {
  const auto last = outbox_sent_.find(to);
  if (last == outbox_sent_.end()) {
    resending_.erase(to);
    return;
  }
  send_messages(to,
                std::min(last->second, acknowledged_by(to) + send_window_max));
  if (resending_.at(to) >= last->second)
    resending_.erase(to);
}

/// Sends the messages after `resending_[to]` up to `end`, as many as the size
/// of the window allows. If they cannot be read, the next probe tries again.
void partition_processor::send_messages(partition_id to, std::uint64_t end) {
  std::uint64_t& sent = resending_[to];
  sent = std::max(sent, acknowledged_by(to));
  const partition_id own = durable().config.id;
  const auto& kept = durable().outbox.at(to).kept;
  for (std::size_t bytes = 0; sent < end && bytes < send_window_bytes_max;) {
    if (const auto found = kept.find(sent + 1); found != kept.end()) {
      bytes += message_bytes_of(found->second);
      ++sent;
      host_.send({own, found->second}, to);
      continue;
    }
    auto page
      = reader_.outbox(own, to, sent + 1, end, send_window_bytes_max - bytes);
    if (!page) {
      host_.log(log_level::error,
                "messages to partition " + std::to_string(index_of(to))
                  + " cannot be read: " + page.error().message);
      return;
    }
    for (const std::string& sentence : page->damage) {
      host_.log(log_level::error, sentence);
      damage_.note_row(sentence);
    }
    for (outbox_message& message : page->messages) {
      bytes += message_bytes_of(message);
      ++sent;
      host_.send({own, std::move(message)}, to);
    }
  }
}

void partition_processor::handle_acknowledgement(
  const partition_acknowledgement& note, timestamp at) {
  if (note.stated)
    handle_statement(note, at);
  // Ignore acknowledgements beyond the last sequence sent.
  const auto sent = outbox_sent_.find(note.from);
  if (sent == outbox_sent_.end() || note.sequence > sent->second)
    return;
  auto& known = live_.acknowledged[note.from];
  known = std::max(known, note.sequence);
  live_.outbox_ages[note.from].acknowledge(known,
                                           durable().outbox_head(note.from));
  if (!acknowledge_at_)
    acknowledge_at_ = live_.now + durable().config.acknowledge_wait_max;
  const auto again = resending_.find(note.from);
  if (again != resending_.end() && note.sequence >= again->second)
    send_window(note.from);
}

/// Notes the messages that a turn adds to the outboxes.
void partition_processor::follow_outbox(const turn_writes& writes) {
  for (const outbox_message& message : writes.outbox) {
    if (message.to == quarantine_partition)
      continue;
    live_.outbox_ages[message.to].add(message.sequence, live_.now);
    note_full_outbox(durable(), live_, message.to);
  }
}

/// Makes an instance runnable that has waited for space in an outbox. Returns
/// false if it cannot run now: it has ended, is suspended or cannot be read.
bool partition_processor::resume_outbox_wait(const instance_id& id) {
  const auto loaded = load(id);
  if (!loaded) {
    if (damaged_work* work = note_damaged_work(id))
      work->turn_due = true;
    return false;
  }
  if (!*loaded || loaded->durable == nullptr)
    return false;
  const runtime_status status = loaded->durable->record.status;
  if (is_finished(status) || status == runtime_status::suspended)
    return false;
  loaded->live->passes_outbox_waits = true;
  make_runnable(live_, *loaded->live);
  return true;
}

/// Dispatches the turns that need not wait for space in an outbox any more.
void partition_processor::wake_outbox_waits() {
  outbox_waits_at_.reset();
  if (live_.full_outboxes.empty())
    return;
  for (bool has_skipped = true; has_skipped;) {
    has_skipped = false;
    for (const instance_id& id : pop_outbox_waits(durable(), live_))
      has_skipped = !resume_outbox_wait(id) || has_skipped;
    // Those that do not run add nothing, so others can run in their place.
    if (has_skipped)
      for (auto& [to, full] : live_.full_outboxes)
        full.expected_last = 0;
  }
  // Acknowledgements wake the others. The time is for the case that a turn that
  // was to fill the outbox does not run, because its instance has ended.
  if (!live_.outbox_waits.empty())
    outbox_waits_at_ = live_.now + durable().config.probe_interval;
}

/// After a start: the ages begin anew, and full outboxes are noted.
void partition_processor::restore_outbox() {
  for (const auto& [to, box] : durable().outbox) {
    if (box.empty() || to == quarantine_partition)
      continue;
    live_.outbox_ages[to].add(box.first, live_.now);
    note_full_outbox(durable(), live_, to);
  }
}

/// Adds the instances that wait for space in an outbox to a list of stuck ones.
void partition_processor::list_outbox_waits(
  std::vector<std::pair<instance_id, std::string>>& to) const {
  std::size_t listed = 0;
  for (const auto& [id, destination] : live_.outbox_waits) {
    if (++listed > waits_listed_max)
      return;
    to.emplace_back(
      id,
      "its next turn waits, because it sends messages to partition "
        + std::to_string(index_of(destination)) + ", and "
        + std::to_string(unacknowledged(durable(), live_, destination))
        + " messages to it are not acknowledged (limits.outbox_messages_max"
          "); `perdura cluster status` shows whether its node is reachable");
  }
}

outbox_figures partition_processor::outbox() const {
  outbox_figures figures;
  for (const auto& [to, box] : durable().outbox) {
    if (to == quarantine_partition)
      continue;
    figures.memory_messages += box.kept.size();
    const std::uint64_t messages = unacknowledged(durable(), live_, to);
    if (messages == 0)
      continue;
    figures.messages += messages;
    const auto age = live_.outbox_ages.find(to);
    duration oldest{};
    if (age != live_.outbox_ages.end())
      if (const auto since = age->second.oldest())
        oldest = live_.now - *since;
    figures.destinations.push_back({index_of(to), messages, oldest});
  }
  figures.memory_bytes = durable().outbox_bytes;
  figures.turns_waiting = live_.outbox_waits.size();
  return figures;
}

} // namespace perdura::actors
