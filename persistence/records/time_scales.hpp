// SPDX-License-Identifier: Apache-2.0
/// The scales on which this program measures time. A difference of two times is
/// possible only within one scale.
///
/// - `timestamp`: the wall clock, UTC. It gives time stamps; an operator, NTP
///   or a virtual machine may set it.
/// - `boot_time`: the time since the machine has started, including the time in
///   which it was suspended. It measures intervals within a process.
/// - `elapsed_time`: the time that has passed for a partition. It continues
///   when the process or the machine starts again (see `time_anchor`), and
///   measures the delays of timers.
#pragma once

#include <perdura/persistence/records/ids.hpp>

#include <string>

namespace perdura::persistence {

struct boot_clock {
  using rep = persistence::duration::rep;
  using period = persistence::duration::period;
  using duration = persistence::duration;
  using time_point = std::chrono::time_point<boot_clock, duration>;
  static constexpr bool is_steady = true;
};

using boot_time = boot_clock::time_point;

struct elapsed_clock {
  using rep = persistence::duration::rep;
  using period = persistence::duration::period;
  using duration = persistence::duration;
  using time_point = std::chrono::time_point<elapsed_clock, duration>;
  static constexpr bool is_steady = true;
};

/// A partition begins with the time of the wall clock, so the values look like
/// time stamps; a step of the wall clock does not change them.
using elapsed_time = elapsed_clock::time_point;

/// A reading of all clocks at one moment. A partition stores it with its turns,
/// so that its elapsed time can continue after a start: on the same boot of the
/// machine by the boot clock, else by the wall clock.
struct time_anchor {
  std::string boot_id; ///< See `clock::boot_id`. Empty: no other process's.
  boot_time since_boot{};
  timestamp wall{};
  elapsed_time elapsed{};

  bool operator==(const time_anchor&) const = default;
};

template <class I>
auto inspect(I& f, time_anchor& x) {
  return f(x.boot_id, x.since_boot, x.wall, x.elapsed);
}

/// The scale of the time at which a task is due. The numbers are stored.
enum class time_scale : std::uint8_t {
  elapsed = 1, ///< The task ends when a time has passed.
  wall = 2,    ///< The task ends when the wall clock has reached a time.
};

} // namespace perdura::persistence
