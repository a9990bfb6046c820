// SPDX-License-Identifier: Apache-2.0
/// A wall clock that only moves when a test moves it.
#pragma once

#include "persistence/records/clock.hpp"

namespace perdura::tests {

class manual_clock : public persistence::clock {
public:
  /// Starts at 2026-01-01T00:00:00Z by default.
  explicit manual_clock(persistence::timestamp start = persistence::timestamp(
                          std::chrono::seconds(1'767'225'600)))
    : now_(start) {}

  persistence::timestamp now() const override {
    return now_;
  }

  void set(persistence::timestamp now) {
    now_ = now;
  }

  void advance(persistence::duration by) {
    now_ += by;
  }

private:
  persistence::timestamp now_;
};

} // namespace perdura::tests
