// SPDX-License-Identifier: Apache-2.0
#include "actors/timing/alarm_clock.hpp"

#include "persistence/process/thread_role.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace perdura::actors {

namespace {

constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

// Times are rounded up to a multiple of this, 0.13 ms, so that alarms with
// nearly the same time share one wake-up of the thread.
constexpr std::int64_t resolution = std::int64_t{1} << 17U;

std::int64_t steady_now() {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

} // namespace

alarm_clock::alarm::alarm(callback call) : at_(never), call_(std::move(call)) {}

alarm_clock::alarm_clock() : sleeps_until_(never), thread_([this] { run(); }) {}

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
          std::max(from_now, persistence::duration(0)))
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

void alarm_clock::run() {
  persistence::enter_thread_role("alarms");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const std::int64_t now = steady_now();
    std::int64_t next = never;
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
    if (next == never)
      changed_.wait(lock);
    else
      changed_.wait_until(lock, std::chrono::steady_clock::time_point(
                                  std::chrono::nanoseconds(next)));
  }
}

} // namespace perdura::actors
