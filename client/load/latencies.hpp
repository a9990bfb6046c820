/// How long things took, and which of them is slower than most.
#pragma once

#include <cstdint>
#include <vector>

namespace perdura::client {

/// In microseconds.
struct latencies {
  std::vector<std::uint32_t> all_us;

  /// The smallest value that is not exceeded by this share of them: 0.5,
  /// 0.99, …; 0 if there are none. Sorts.
  double at(double share);
  double max();
};

/// The middle one, or the mean of the two in the middle; 0 if there are none.
double median(std::vector<double> values);

} // namespace perdura::client
