// SPDX-License-Identifier: Apache-2.0
/// Latency samples and their percentiles.
#pragma once

#include <cstdint>
#include <vector>

namespace perdura::client {

/// Latencies of one run, in microseconds.
struct latencies {
  std::vector<std::uint32_t> values_us;

  /// The percentile for this share (0.5 is the median, 0.99 is p99): the
  /// smallest sample x such that at least this share of all samples is less
  /// than or equal to x. 0 if there are no samples. Sorts the samples.
  double percentile(double share);
  /// The highest latency; 0 if there are no samples.
  double max();
};

/// The median: the middle value, or the mean of the two middle values. 0 if
/// there are no values.
double median(std::vector<double> values);

} // namespace perdura::client
