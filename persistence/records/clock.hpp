// SPDX-License-Identifier: Apache-2.0
/// The clocks of the machine as an interface, so that tests and the simulation
/// can replace them. clock.cpp is the only reader of the system clock.
#pragma once

#include "persistence/records/time_scales.hpp"

#include <string>

namespace perdura::persistence {

/// A source of the current time. Implementations are thread-safe.
class clock {
public:
  virtual ~clock() = default;

  /// The current time of the wall clock, UTC. It may decrease between two
  /// calls. Intervals are measured by `since_boot`.
  virtual timestamp now() const = 0;

  /// The current time of the boot clock. It never decreases.
  virtual boot_time since_boot() const = 0;

  /// Identifies the run of the machine that `since_boot` counts from: two
  /// processes with the same ID read the same boot clock. Empty if the system
  /// does not state it. At most 80 bytes; it does not change.
  virtual const std::string& boot_id() const = 0;
};

/// The machine's clocks. Valid until the process ends; thread-safe.
const clock& system_clock();

} // namespace perdura::persistence
