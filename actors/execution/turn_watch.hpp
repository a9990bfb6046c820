/// How many orchestrator turns hold a scheduler thread right now, and whether
/// they still come back.
#pragma once

#include <perdura/persistence/records/ids.hpp>

#include <atomic>
#include <condition_variable>
#include <mutex>

namespace perdura::actors {

using namespace persistence;

/// Safe to call from any thread.
class turn_watch {
public:
  void begin(timestamp now) {
    running_.fetch_add(1, std::memory_order_relaxed);
    progress_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  }

  void end() {
    if (running_.fetch_sub(1) == 1 && closing_.load()) {
      std::lock_guard lock(mutex_);
      idle_.notify_all();
    }
  }

  /// All of `threads` are in a turn, and none has begun or ended one for
  /// `patience`: orchestrators that never await hold them all.
  bool is_stuck(std::size_t threads, timestamp now, duration patience) const {
    return running_.load() >= static_cast<long>(threads)
           && now.time_since_epoch().count() - progress_.load()
                > patience.count();
  }

  /// Waits until no turn runs; false if that takes longer.
  bool wait_idle(duration patience) {
    std::unique_lock lock(mutex_);
    closing_ = true;
    return idle_.wait_for(lock, patience,
                          [this] { return running_.load() == 0; });
  }

private:
  std::atomic<long> running_{0};
  std::atomic<std::int64_t> progress_{0};
  std::atomic<bool> closing_{false};
  std::mutex mutex_;
  std::condition_variable idle_;
};

} // namespace perdura::actors
