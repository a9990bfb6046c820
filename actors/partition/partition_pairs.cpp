// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/pair_numbers.hpp"
#include "actors/partition/partition_processor.hpp"

#include <algorithm>
#include <limits>
#include <utility>

// The part of partition_processor that compares the numbering of messages with
// other partitions. At the beginning of a session each partition states its
// numbers to the partitions of the other node. Numbers that are not consistent
// show that one of the nodes runs on an older copy of its data directory: its
// messages would be taken for repeats, or messages to it would be lost.

namespace perdura::actors {

using namespace persistence;

namespace {

/// False for numbers that no partition has; they would overflow.
bool is_valid(const pair_numbers& numbers) {
  constexpr auto most = std::numeric_limits<std::uint64_t>::max();
  return numbers.oldest > 0 && numbers.newest < most && numbers.mark < most
         && numbers.oldest - 1 <= numbers.newest;
}

std::string partition_name(partition_id id) {
  return "partition " + std::to_string(index_of(id));
}

} // namespace

std::string partition_processor::agreeing_sentence() const {
  return "the data directory of this node was adopted, and "
         + partition_name(durable().config.id)
         + " has not agreed on the numbers of " + "messages with "
         + std::to_string(durable().meta.unmatched.size())
         + " partitions of other nodes yet. Start all nodes of the cluster; "
           "this one serves when it has been connected with each of them.";
}

/// Holds the statement until everything in it is durable: the other partition
/// may delete messages, or count them as accepted, because of it.
void partition_processor::state_numbers(partition_id to, bool resends) {
  const pair_numbers own = numbers_of(durable(), to);
  std::vector<effect> effects;
  effects.emplace_back(
    statement_effect{to,
                     own.mark,
                     {own.oldest, own.newest, has_agreed(durable(), to)},
                     resends});
  hold_effects(last_position_, std::move(effects));
}

/// The statement precedes the messages that are sent again.
void partition_processor::perform_statement(const statement_effect& statement) {
  host_.acknowledge({durable().config.id, statement.mark, statement.stated},
                    statement.to);
  if (!statement.resends)
    return;
  if (!has_agreed(durable(), statement.to)) {
    resending_.erase(statement.to);
    return;
  }
  resending_[statement.to] = 0;
  send_window(statement.to);
}

void partition_processor::handle_statement(
  const partition_acknowledgement& note, timestamp at) {
  const partition_id other = note.from;
  const pair_numbers theirs{note.stated->oldest, note.stated->newest,
                            note.sequence};
  if (!is_valid(theirs))
    return;
  if (!has_agreed(durable(), other)) {
    turn next = step_agree(durable(), other, theirs);
    const pair_numbers before = numbers_of(durable(), other);
    const std::uint64_t mark = next.writes.marks.front().sequence;
    journal_turn(next, at);
    live_.marks_accepted[other] = mark;
    if (mark > before.mark || theirs.mark > before.newest)
      host_.log(
        log_level::warning,
        partition_name(durable().config.id)
          + " was adopted without data that it had: "
          + std::to_string(mark - before.mark)
          + " messages that it had accepted from " + partition_name(other)
          + ", and "
          + std::to_string(theirs.mark - std::min(theirs.mark, before.newest))
          + " messages that it had sent to it, are missing here.");
    state_numbers(other, true);
    if (!is_agreeing())
      host_.agrees(false);
    return;
  }
  // The other partition takes over the numbers of this one.
  if (!note.stated->has_agreed) {
    disagreements_.erase(other);
    state_numbers(other, false);
    return;
  }
  const pair_numbers own = numbers_of(durable(), other);
  const pair_verdict verdict = compare_numbers(own, theirs);
  if (verdict == pair_verdict::consistent) {
    disagreements_.erase(other);
    return;
  }
  pair_disagreement found;
  found.other = other;
  found.run = note.run;
  found.this_is_older = verdict == pair_verdict::this_is_older;
  found.why = describe_fault(durable().config.id, own, other, theirs);
  disagreements_.insert_or_assign(other, found.why);
  host_.disagree(found);
}

/// Writes a line to the log for each gap that has not closed.
void partition_processor::report_gaps() {
  for (auto& [from, gap] : gaps_)
    if (!gap.is_reported
        && live_.now - gap.since
             >= gap_report_probes * durable().config.probe_interval) {
      gap.is_reported = true;
      host_.log(log_level::error,
                partition_name(durable().config.id) + " waits for message "
                  + std::to_string(gap.expected) + " of " + partition_name(from)
                  + ", and message " + std::to_string(gap.arrived)
                  + " has arrived: messages between them may be lost.");
    }
}

std::uint64_t partition_processor::broken_streams() const {
  return disagreements_.size()
         + static_cast<std::uint64_t>(
           std::count_if(gaps_.begin(), gaps_.end(), [](const auto& each) {
             return each.second.is_reported;
           }));
}

std::vector<std::string> partition_processor::pair_faults() const {
  std::vector<std::string> found;
  if (is_agreeing())
    found.push_back(agreeing_sentence());
  for (const auto& [other, why] : disagreements_)
    found.push_back("a node runs on an older copy of its data directory: "
                    + why);
  for (const auto& [from, gap] : gaps_)
    if (gap.is_reported)
      found.push_back(
        "message " + std::to_string(gap.expected) + " of "
        + partition_name(from) + " to " + partition_name(durable().config.id)
        + " does not arrive, and message " + std::to_string(gap.arrived)
        + " has arrived; look at the logs of both nodes");
  return found;
}

} // namespace perdura::actors
