// SPDX-License-Identifier: Apache-2.0
#include "persistence/journal/turn_queue.hpp"

#include "persistence/records/codec.hpp"

#include <stdexcept>
#include <utility>

namespace perdura::persistence {

void turn_queue::start_after(journal_position last, sequence_map sequences) {
  std::lock_guard lock(mutex_);
  last_assigned_ = last;
  sequences_ = std::move(sequences);
}

journal_position turn_queue::append(turn_writes&& turn) {
  // The calling thread encodes the turn, outside the lock, so that the
  // committer thread only concatenates bytes.
  queued_turn item;
  item.bytes.reserve(512);
  encode_to(item.bytes, turn);
  item.turn = std::move(turn);
  std::lock_guard lock(mutex_);
  // The sequences of a partition must have no gaps: `verify_hub` would report
  // a gap as a lost turn. A turn with another sequence than the next one is a
  // defect of the caller.
  partition_sequence& sequence = sequences_[index_of(item.turn.partition)];
  if (item.turn.sequence != sequence + 1)
    throw std::logic_error(
      "partition " + std::to_string(index_of(item.turn.partition))
      + " queued turn " + std::to_string(item.turn.sequence) + " after "
      + std::to_string(sequence));
  sequence = item.turn.sequence;
  turns_.push_back(std::move(item));
  return ++last_assigned_;
}

std::vector<queued_turn> turn_queue::take() {
  std::vector<queued_turn> turns;
  std::lock_guard lock(mutex_);
  turns.swap(turns_);
  return turns;
}

bool turn_queue::needs_wake() {
  std::lock_guard lock(mutex_);
  return idle_ && !turns_.empty();
}

void turn_queue::wake() {
  filled_.notify_one();
}

bool turn_queue::wait() {
  std::unique_lock lock(mutex_);
  idle_ = true;
  filled_.wait(lock, [this] { return !turns_.empty() || stopping_; });
  idle_ = false;
  return !turns_.empty();
}

void turn_queue::stop() {
  {
    // The thread either sees `stopping_`, or sleeps already when it is
    // notified.
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  filled_.notify_all();
}

} // namespace perdura::persistence
