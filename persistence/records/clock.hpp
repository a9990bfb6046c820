// SPDX-License-Identifier: Apache-2.0
/// The wall clock as an interface, so that tests and the simulation can
/// replace it. clock.cpp is the only reader of the system clock.
#pragma once

#include <perdura/persistence/records/ids.hpp>

namespace perdura::persistence {

/// A source of the current time. Implementations are thread-safe.
class clock {
public:
  virtual ~clock() = default;

  /// The current time of the wall clock, UTC. It may decrease between two
  /// calls. A caller that needs times which never decrease uses the greatest
  /// time that it has read so far.
  virtual timestamp now() const = 0;
};

/// The machine's clock. Valid until the process ends; thread-safe.
const clock& system_clock();

} // namespace perdura::persistence
