// SPDX-License-Identifier: Apache-2.0
/// Admits the turns of orchestrators to the scheduler threads. A turn whose
/// code does not await never gives its thread back, so turns may occupy only
/// some of the threads: the others remain for partitions, requests and queries.
#pragma once

#include <perdura/persistence/records/ids.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <limits>
#include <mutex>

namespace perdura::actors {

using persistence::duration;

/// One object for all partitions of a node. Thread-safe.
class turn_watch {
public:
  using time_point = std::chrono::steady_clock::time_point;

  /// Lets a waiting turn begin, i.e. sends its message again. It must call
  /// `end` once: after the turn, or if the message is dropped.
  using waiting_turn = std::function<void()>;

  /// At most `turns_max` turns run at the same time; at least 1.
  explicit turn_watch(std::size_t turns_max
                      = std::numeric_limits<std::size_t>::max())
    : turns_max_(turns_max) {}

  /// Called before each turn. Returns true if it may run; `end` is then called
  /// after it. Otherwise `make_waiting` is called for the object that is called
  /// when the turn may run; it then counts as begun already. The number of
  /// waiting turns is bounded by that of the instances in memory, each of which
  /// has at most one.
  template <class MakeWaiting>
  bool begin(MakeWaiting&& make_waiting) {
    if (running_.fetch_add(1) < turns_max_) {
      note_progress();
      return true;
    }
    wait(std::forward<MakeWaiting>(make_waiting)());
    return false;
  }

  /// Called after each turn.
  void end() {
    running_.fetch_sub(1);
    if (needs_wake_.load())
      wake();
  }

  /// Returns true if as many turns run as may run, and none has begun for
  /// `stuck_time`: orchestrators that block or loop then occupy all threads for
  /// turns.
  bool is_stuck(duration stuck_time,
                time_point now = std::chrono::steady_clock::now()) const {
    return running_.load() >= turns_max_
           && now.time_since_epoch() - time_point::duration(progress_.load())
                > stuck_time;
  }

  std::size_t running() const {
    return running_.load();
  }

  /// The number of turns that wait for a thread.
  std::size_t waiting() const;

  /// Drops the turns that wait, and waits until no turn runs. Returns false if
  /// a turn still runs after `time_limit`.
  bool wait_idle(duration time_limit);

private:
  void note_progress() {
    progress_.store(std::chrono::steady_clock::now().time_since_epoch().count(),
                    std::memory_order_relaxed);
  }

  void wait(waiting_turn turn);
  void wake();
  void admit_waiting(std::unique_lock<std::mutex>& lock);

  const std::size_t turns_max_;
  /// The turns that run. For a moment also those that are about to wait.
  std::atomic<std::size_t> running_{0};
  /// When the last turn began, in units of the steady clock.
  std::atomic<time_point::rep> progress_{0};
  /// Turns wait, or `wait_idle` was called: `end` takes the mutex.
  std::atomic<bool> needs_wake_{false};
  mutable std::mutex mutex_; ///< Guards the members below.
  std::condition_variable idle_;
  std::deque<waiting_turn> waiting_;
  bool closing_ = false;
};

} // namespace perdura::actors
