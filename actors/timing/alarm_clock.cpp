// SPDX-License-Identifier: Apache-2.0
#include "actors/timing/alarm_clock.hpp"

#include "actors/timing/wall_watch.hpp"
#include "persistence/process/process_end.hpp"
#include "persistence/process/thread_role.hpp"
#include <perdura/persistence/records/time_arithmetic.hpp>

#include <algorithm>
#include <limits>
#include <utility>

namespace perdura::actors {

namespace {

constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

// Times are rounded up to a multiple of this, 0.13 ms, so that alarms with
// nearly the same time share one wake-up of the thread.
constexpr std::int64_t resolution = std::int64_t{1} << 17U;

// The longest sleep of the thread, in nanoseconds. A step of the wall clock,
// and the end of a suspension of the machine, are noticed within this time.
constexpr std::int64_t sleep_max = 1'000'000'000;

std::int64_t steady_now() {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

} // namespace

alarm_clock::alarm::alarm(callback call) : at_(never), call_(std::move(call)) {}

alarm_clock::alarm_clock(const persistence::clock& time, step_callback on_step)
  : time_(time),
    on_step_(std::move(on_step)),
    sleeps_until_(never),
    thread_([this] {
      persistence::run_thread_body("the alarm clock", [this] { run(); });
    }) {}

alarm_clock::~alarm_clock() {
  stop();
}

alarm_clock::alarm& alarm_clock::add(callback call) {
  auto made = std::make_unique<alarm>(std::move(call));
  alarm& one = *made;
  const std::lock_guard lock(mutex_);
  alarms_.push_back(std::move(made));
  return one;
}

void alarm_clock::set(alarm& one, persistence::duration from_now) {
  const std::int64_t exact
    = steady_now()
      + std::chrono::duration_cast<std::chrono::nanoseconds>(
          persistence::bounded_wait(from_now))
          .count();
  const std::int64_t at = (exact / resolution + 1) * resolution;
  one.at_ = at;
  // This thread stores `at_` and loads `sleeps_until_`; the clock's thread
  // stores `sleeps_until_` and loads `at_`. Both are sequentially consistent,
  // so at least one of the two sees the other's store.
  if (at >= sleeps_until_)
    return;
  // Waits until the clock's thread is inside its wait, so that the
  // notification is not lost.
  { const std::lock_guard lock(mutex_); }
  changed_.notify_one();
}

void alarm_clock::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable())
    thread_.join();
}

/// If the wall clock was set, reports the step and calls the alarms that are
/// set.
void alarm_clock::check_wall(wall_watch& wall) {
  const persistence::boot_time before = time_.since_boot();
  const persistence::timestamp now = time_.now();
  const persistence::boot_time after = time_.since_boot();
  // The thread was interrupted between the readings: the next pass compares.
  if (after - before >= wall_step_min / 2)
    return;
  const auto step = wall.check(now, after);
  if (!step)
    return;
  if (on_step_)
    on_step_(*step);
  for (const auto& one : alarms_)
    if (one->at_.exchange(never) != never)
      one->call_();
}

void alarm_clock::run() {
  persistence::enter_thread_role("alarms");
  wall_watch wall;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    check_wall(wall);
    const std::int64_t now = steady_now();
    std::int64_t next = now + sleep_max;
    for (const auto& one : alarms_) {
      std::int64_t at = one->at_;
      // The exchange fails if the alarm was set again after `at` was read. In
      // this case the exchange stores the new time in `at`.
      if (at <= now && one->at_.compare_exchange_strong(at, never)) {
        one->call_();
        continue;
      }
      next = std::min(next, at);
    }
    sleeps_until_ = next;
    // If an alarm was set after the loop above had read it, either the next
    // statement finds it, or the thread that set it sees the new
    // `sleeps_until_` and notifies this thread.
    const bool is_due
      = std::any_of(alarms_.begin(), alarms_.end(),
                    [&](const auto& one) { return one->at_ < next; });
    if (is_due)
      continue;
    changed_.wait_until(lock, std::chrono::steady_clock::time_point(
                                std::chrono::nanoseconds(next)));
  }
}

} // namespace perdura::actors
