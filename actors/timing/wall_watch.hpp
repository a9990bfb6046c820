// SPDX-License-Identifier: Apache-2.0
/// Detects that the wall clock was set: the boot clock runs at the same rate,
/// so the difference of the two changes only then.
#pragma once

#include "persistence/records/clock.hpp"

#include <optional>

namespace perdura::actors {

/// A step of the wall clock is noticed if it is at least this long; two
/// readings of two clocks are never exact.
inline constexpr persistence::duration wall_step_min
  = std::chrono::milliseconds(100);

/// Pure, except that it keeps the last reading. Not thread-safe.
class wall_watch {
public:
  /// Compares a reading with the previous one. Returns by how much the wall
  /// clock was set forward in between, negative if it was set back. Empty if it
  /// was not set, and at the first reading.
  std::optional<persistence::duration> check(persistence::timestamp wall,
                                             persistence::boot_time boot) {
    const persistence::duration ahead
      = wall.time_since_epoch() - boot.time_since_epoch();
    const auto step = ahead - ahead_.value_or(ahead);
    if (!ahead_ || step >= wall_step_min || step <= -wall_step_min)
      ahead_ = ahead;
    if (step < wall_step_min && step > -wall_step_min)
      return std::nullopt;
    return step;
  }

private:
  std::optional<persistence::duration> ahead_; ///< Wall minus boot time.
};

} // namespace perdura::actors
