/// Wakes partitions when something may be due. One thread for all of them:
/// setting an alarm is two stores, unless it is sooner than all others.
#pragma once

#include <perdura/persistence/records/ids.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace perdura::actors {

/// `set` is safe to call from any thread, one thread at a time for each alarm.
class alarm_clock {
public:
  /// Called on the clock's thread; must not block.
  using ring = std::function<void()>;

  alarm_clock();
  ~alarm_clock();

  alarm_clock(const alarm_clock&) = delete;
  alarm_clock& operator=(const alarm_clock&) = delete;

  class alarm;

  /// A new alarm, not set; it lives as long as the clock.
  alarm& add(ring call);

  /// Rings once, this long from now; what was set before is void.
  void set(alarm& one, persistence::duration from_now);

  /// Rings no more. Idempotent.
  void stop();

private:
  void run();

  std::mutex mutex_; ///< Over the list of alarms and the thread's sleep.
  std::condition_variable changed_;
  std::vector<std::unique_ptr<alarm>> alarms_;
  std::atomic<std::int64_t> sleeps_until_; ///< Of the steady clock.
  bool stopping_ = false;
  std::thread thread_;
};

class alarm_clock::alarm {
public:
  explicit alarm(ring call);

private:
  friend class alarm_clock;

  std::atomic<std::int64_t> at_; ///< Of the steady clock, in nanoseconds.
  ring call_;
};

} // namespace perdura::actors
