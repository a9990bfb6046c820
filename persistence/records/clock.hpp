/// The only reader of the system clock, as a seam.
#pragma once

#include <perdura/persistence/records/ids.hpp>

namespace perdura::persistence {

class clock {
public:
  virtual ~clock() = default;

  /// Wall clock, UTC. May step back; who needs order takes a maximum.
  virtual timestamp now() const = 0;
};

/// The machine's clock; lives as long as the process.
const clock& system_clock();

} // namespace perdura::persistence
