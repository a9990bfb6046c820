// SPDX-License-Identifier: Apache-2.0
/// Alarms that call a function at a given time, and at once when the wall clock
/// is set. One thread serves all partitions of a node. Setting an alarm takes
/// two atomic accesses; the thread is woken only if no other alarm is earlier.
#pragma once

#include "persistence/records/clock.hpp"

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

class wall_watch;

/// Thread-safe, except that two threads must not set the same alarm at the same
/// time.
class alarm_clock {
public:
  /// Runs on the alarm clock's thread. Must not block or throw, and must not
  /// call `add`.
  using callback = std::function<void()>;

  /// Called on the alarm clock's thread with the step, negative if the wall
  /// clock was set back. Must not block or throw.
  using step_callback = std::function<void(persistence::duration step)>;

  /// Starts the thread. At least once a second it compares the wall clock of
  /// `time` with its boot clock. If the wall clock was set by at least 0.1 s,
  /// it calls `on_step`, and then the callbacks of all alarms that are set:
  /// the time for which they were set may have come. `time` must outlive the
  /// alarm clock; `on_step` may be empty.
  explicit alarm_clock(const persistence::clock& time
                       = persistence::system_clock(),
                       step_callback on_step = {});

  /// Calls `stop`.
  ~alarm_clock();

  alarm_clock(const alarm_clock&) = delete;
  alarm_clock& operator=(const alarm_clock&) = delete;

  class alarm;

  /// Adds an alarm that is not set. The clock owns the alarm.
  alarm& add(callback call);

  /// Sets the alarm: its callback is called once, after `from_now`. The time is
  /// measured by the steady clock and rounded up to a multiple of 0.13 ms. It
  /// may be called earlier if the wall clock is set, and later by the time for
  /// which the machine was suspended.
  /// Replaces an earlier setting. A negative duration counts as zero.
  void set(alarm& one, persistence::duration from_now);

  /// Ends the thread; waits for a running callback. No callback runs
  /// afterwards. Idempotent.
  void stop();

private:
  void run();
  void check_wall(wall_watch& wall);

  const persistence::clock& time_;
  const step_callback on_step_;
  std::mutex mutex_; ///< Guards `alarms_`, `stopping_` and the thread's wait.
  std::condition_variable changed_;
  std::vector<std::unique_ptr<alarm>> alarms_;
  /// Steady time in nanoseconds up to which the thread sleeps.
  std::atomic<std::int64_t> sleeps_until_;
  bool stopping_ = false;
  std::thread thread_;
};

/// One alarm; made by `alarm_clock::add`.
class alarm_clock::alarm {
public:
  explicit alarm(callback call);

private:
  friend class alarm_clock;

  std::atomic<std::int64_t> at_; ///< Steady time in nanoseconds.
  callback call_;
};

} // namespace perdura::actors
