// SPDX-License-Identifier: Apache-2.0
/// The clock of one partition: the wall clock, and the elapsed time, which no
/// step of the wall clock changes.
///
/// The elapsed time continues when the partition is opened again. If the boot
/// of the machine is the same, all time since then has passed, by the boot
/// clock. After a restart of the machine, or on another machine, the time since
/// the last anchor that was stored is taken from the wall clock, and at least
/// 0; if the wall clock was set after that anchor, the elapsed time contains
/// that step.
#pragma once

#include "persistence/records/clock.hpp"

#include <optional>

namespace perdura::actors {

using persistence::boot_time;
using persistence::duration;
using persistence::elapsed_time;
using persistence::time_anchor;
using persistence::timestamp;

/// Returns the elapsed time at the moment of the reading `now`, whose
/// `elapsed` is ignored. Without an anchor, the elapsed time begins with the
/// time of the wall clock.
elapsed_time continue_from(const std::optional<time_anchor>& last,
                           const time_anchor& now);

/// True if `now` was read on the same boot of the machine as `last`.
bool is_same_boot(const time_anchor& last, const time_anchor& now);

/// Not thread-safe.
class partition_clock {
public:
  /// `source` must outlive the clock.
  explicit partition_clock(const persistence::clock& source)
    : source_(source) {}

  /// Continues from the newest anchor of the partition. To be called once,
  /// before the elapsed time is read.
  void begin(const std::optional<time_anchor>& last);

  timestamp wall() const {
    return source_.now();
  }

  elapsed_time elapsed() const {
    return elapsed_time(source_.since_boot().time_since_epoch() + offset_);
  }

  /// Converts a time of this process.
  boot_time to_boot_time(elapsed_time time) const {
    return boot_time(time.time_since_epoch() - offset_);
  }

  boot_time since_boot() const {
    return source_.since_boot();
  }

  /// An anchor with the present times.
  time_anchor anchor() const;

private:
  const persistence::clock& source_;
  duration offset_{0}; ///< Elapsed time minus boot time.
};

} // namespace perdura::actors
