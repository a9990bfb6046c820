// SPDX-License-Identifier: Apache-2.0
/// A wall clock that follows a step of the machine's wall clock only after the
/// new time has lasted. Retention uses it: a clock that is wrong for a while
/// must not delete instances.
#pragma once

#include "persistence/records/clock.hpp"

#include <mutex>
#include <optional>

namespace perdura::actors {

/// The knowledge of a partition about the wall clock when it starts.
struct wall_evidence {
  /// The partition contains no turn, so nothing can be deleted too early.
  bool is_new = false;
  /// The newest anchor of the partition; empty if it has none.
  std::optional<persistence::time_anchor> anchor;
};

/// Thread-safe.
class settled_clock {
public:
  /// The wall clock may be set by this much, in each direction, without being
  /// distrusted.
  static constexpr persistence::duration tolerance = std::chrono::seconds(5);

  /// `source` must outlive the clock. A step is followed after `step_delay`.
  settled_clock(const persistence::clock& source,
                persistence::duration step_delay);

  /// Called once for each partition. An anchor of the same boot of the
  /// machine shows whether the wall clock was set since then. Without such an
  /// anchor, only a new partition shows that the present time may be used.
  void learn(const wall_evidence& evidence);

  /// The settled time of the wall clock, never after its present time. Empty
  /// while it is not known whether the present time can be relied on: until it
  /// has lasted for the settle time since the first call.
  std::optional<persistence::timestamp> now();

private:
  const persistence::clock& source_;
  const persistence::duration step_delay_;
  std::mutex mutex_; ///< Guards the members below.
  /// Wall minus boot time, as it is used.
  std::optional<persistence::duration> settled_;
  /// Another value, which is not used yet, and when it was first seen.
  std::optional<persistence::duration> candidate_;
  persistence::boot_time candidate_since_{};
};

} // namespace perdura::actors
