// SPDX-License-Identifier: Apache-2.0
/// Counts the running orchestrator turns, each of which occupies a scheduler
/// thread, and detects when they occupy all scheduler threads and no new turn
/// begins.
#pragma once

#include <perdura/persistence/records/ids.hpp>

#include <atomic>
#include <condition_variable>
#include <mutex>

namespace perdura::actors {

using persistence::duration;
using persistence::timestamp;

/// One object for all partitions of a node. Thread-safe.
class turn_watch {
public:
  /// Called before each turn.
  void begin(timestamp now) {
    running_.fetch_add(1, std::memory_order_relaxed);
    progress_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  }

  /// Called after each turn.
  void end() {
    if (running_.fetch_sub(1) == 1 && closing_.load()) {
      std::lock_guard lock(mutex_);
      idle_.notify_all();
    }
  }

  /// Returns true if at least `threads` turns are running and no turn has begun
  /// for `stuck_time`. Orchestrators that block or loop then occupy all
  /// `threads` threads of the scheduler.
  bool is_stuck(std::size_t threads, timestamp now, duration stuck_time) const {
    return running_.load() >= static_cast<long>(threads)
           && now.time_since_epoch().count() - progress_.load()
                > stuck_time.count();
  }

  /// Waits until no turn runs. Returns false if a turn still runs after
  /// `time_limit`.
  bool wait_idle(duration time_limit) {
    std::unique_lock lock(mutex_);
    closing_ = true;
    return idle_.wait_for(lock, time_limit,
                          [this] { return running_.load() == 0; });
  }

private:
  std::atomic<long> running_{0};
  std::atomic<std::int64_t> progress_{0}; ///< When the last turn began, in µs.
  std::atomic<bool> closing_{false};
  std::mutex mutex_;
  std::condition_variable idle_;
};

} // namespace perdura::actors
