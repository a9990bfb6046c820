// SPDX-License-Identifier: Apache-2.0
#include "actors/timing/settled_clock.hpp"

#include "actors/timing/partition_clock.hpp"
#include <perdura/persistence/records/time_arithmetic.hpp>

#include <algorithm>

namespace perdura::actors {

using namespace persistence;

namespace {

/// Returns wall minus boot time.
duration ahead_of_boot(timestamp wall, boot_time boot) {
  return saturated_difference(wall.time_since_epoch(), boot.time_since_epoch());
}

bool is_within_tolerance(duration a, duration b) {
  const duration apart = saturated_difference(a, b);
  return apart <= settled_clock::tolerance
         && apart >= -settled_clock::tolerance;
}

} // namespace

settled_clock::settled_clock(const clock& source, duration step_delay)
  : source_(source), step_delay_(bounded_wait(step_delay)) {}

void settled_clock::learn(const wall_evidence& evidence) {
  const time_anchor now{
    source_.boot_id(), source_.since_boot(), source_.now(), {}};
  std::optional<duration> known;
  if (evidence.anchor && is_same_boot(*evidence.anchor, now))
    known = ahead_of_boot(evidence.anchor->wall, evidence.anchor->since_boot);
  else if (evidence.is_new)
    known = ahead_of_boot(now.wall, now.since_boot);
  if (!known)
    return;
  // Partitions may have stored their anchors before and after a step. With the
  // earlier time, instances are kept for longer.
  const std::lock_guard lock(mutex_);
  settled_ = std::min(*known, settled_.value_or(*known));
}

std::optional<timestamp> settled_clock::now() {
  const std::lock_guard lock(mutex_);
  const timestamp wall = source_.now();
  const boot_time boot = source_.since_boot();
  const duration ahead = ahead_of_boot(wall, boot);
  if (settled_ && is_within_tolerance(ahead, *settled_)) {
    settled_ = ahead;
    candidate_.reset();
  } else if (!candidate_ || !is_within_tolerance(ahead, *candidate_)) {
    candidate_ = ahead;
    candidate_since_ = boot;
  }
  if (candidate_ && boot - candidate_since_ >= step_delay_) {
    settled_ = ahead;
    candidate_.reset();
  }
  if (!settled_)
    return std::nullopt;
  return std::min(wall,
                  timestamp(saturated_sum(boot.time_since_epoch(), *settled_)));
}

} // namespace perdura::actors
