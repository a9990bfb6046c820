// SPDX-License-Identifier: Apache-2.0
#include "actors/timing/partition_clock.hpp"

#include <perdura/persistence/records/time_arithmetic.hpp>

namespace perdura::actors {

using namespace persistence;

bool is_same_boot(const time_anchor& last, const time_anchor& now) {
  return !last.boot_id.empty() && last.boot_id == now.boot_id
         && last.since_boot <= now.since_boot;
}

elapsed_time continue_from(const std::optional<time_anchor>& last,
                           const time_anchor& now) {
  if (!last)
    return elapsed_time(now.wall.time_since_epoch());
  const duration since = is_same_boot(*last, now)
                           ? now.since_boot - last->since_boot
                           : saturated_difference(now.wall, last->wall);
  return saturated_sum(last->elapsed, std::max(since, duration::zero()));
}

void partition_clock::begin(const std::optional<time_anchor>& last) {
  const time_anchor now = anchor();
  offset_ = continue_from(last, now).time_since_epoch()
            - now.since_boot.time_since_epoch();
}

time_anchor partition_clock::anchor() const {
  const boot_time now = source_.since_boot();
  return {source_.boot_id(), now, source_.now(),
          elapsed_time(now.time_since_epoch() + offset_)};
}

} // namespace perdura::actors
