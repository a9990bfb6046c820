// SPDX-License-Identifier: Apache-2.0
/// The turns of one lane that wait for a commit, and the sleep of the committer
/// thread until there are any.
#pragma once

#include "persistence/records/turn_writes.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace perdura::persistence {

/// A turn and its encoding, which the thread that appended it has made.
struct queued_turn {
  turn_writes turn;
  std::string bytes;
};

/// Assigns dense positions to turns in the order in which they are appended.
/// Thread-safe. The queue itself is bounded by its callers.
class turn_queue {
public:
  /// The sequence of the last turn of each partition.
  using sequence_map = std::unordered_map<std::uint32_t, partition_sequence>;

  /// The next turn gets the position `last` + 1, and the next turn of a
  /// partition must follow its sequence in `sequences`. Called once, after
  /// recovery.
  void start_after(journal_position last, sequence_map sequences);

  /// Encodes and queues a turn; see `turn_log::append`.
  /// @throws std::logic_error  The sequence does not follow the previous one of
  ///                           the partition. Nothing is queued.
  journal_position append(turn_writes&& turn);

  /// Removes and returns all queued turns, in order.
  std::vector<queued_turn> take();

  /// True if turns are queued and the committer thread sleeps in `wait`.
  bool needs_wake();
  void wake();

  /// Called by the committer thread: sleeps until turns are queued or `stop`
  /// has been called.
  /// @return False if the queue is stopped and empty.
  bool wait();

  /// Ends the sleep of the committer thread for ever. Turns that are queued are
  /// still taken.
  void stop();

  /// True after `stop`.
  const std::atomic<bool>& stopping() const {
    return stopping_;
  }

private:
  // Guards the members from here to `idle_`.
  std::mutex mutex_;
  std::condition_variable filled_;
  std::vector<queued_turn> turns_;
  journal_position last_assigned_ = 0; ///< Position of the last queued turn.
  sequence_map sequences_; ///< The sequences of the turns queued last.
  bool idle_ = false;      ///< The committer thread sleeps in `wait`.
  std::atomic<bool> stopping_{false};
};

} // namespace perdura::persistence
