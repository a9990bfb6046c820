// SPDX-License-Identifier: Apache-2.0
/// A wall clock and a boot clock that only move when a test moves them.
/// Thread-safe, except for `reboot`.
#pragma once

#include "persistence/records/clock.hpp"

#include <atomic>
#include <string>
#include <utility>

namespace perdura::tests {

class manual_clock : public persistence::clock {
public:
  /// The wall clock starts at 2026-01-01T00:00:00Z by default, the boot clock
  /// one hour after the start of the machine.
  explicit manual_clock(persistence::timestamp start = persistence::timestamp(
                          std::chrono::seconds(1'767'225'600)))
    : now_(start) {}

  persistence::timestamp now() const override {
    return now_.load();
  }

  persistence::boot_time since_boot() const override {
    return since_boot_.load();
  }

  const std::string& boot_id() const override {
    return boot_id_;
  }

  /// Lets time pass until the wall clock shows `now`. It is not earlier than
  /// the present time.
  void set(persistence::timestamp now) {
    advance(now - now_.load());
  }

  /// Lets time pass: moves both clocks.
  void advance(persistence::duration by) {
    step_wall(by);
    since_boot_.store(since_boot_.load() + by);
  }

  /// Sets the wall clock forward, or back if `by` is negative.
  void step_wall(persistence::duration by) {
    now_.store(now_.load() + by);
  }

  /// The machine starts again: another boot, whose clock begins at zero. The
  /// wall clock is not changed.
  void reboot(std::string boot_id) {
    boot_id_ = std::move(boot_id);
    since_boot_.store({});
  }

private:
  std::atomic<persistence::timestamp> now_;
  std::atomic<persistence::boot_time> since_boot_{
    persistence::boot_time(std::chrono::hours(1))};
  std::string boot_id_ = "boot-1";
};

} // namespace perdura::tests
