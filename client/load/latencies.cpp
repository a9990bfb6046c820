// SPDX-License-Identifier: Apache-2.0
#include "client/load/latencies.hpp"

#include <algorithm>
#include <cmath>

namespace perdura::client {

double latencies::percentile(double share) {
  if (values_us.empty())
    return 0;
  std::sort(values_us.begin(), values_us.end());
  // The rank counts from 1 (nearest-rank method); `place` is an index.
  const double rank = std::ceil(share * static_cast<double>(values_us.size()));
  const auto place = static_cast<std::size_t>(std::max(rank, 1.0)) - 1;
  return values_us[std::min(place, values_us.size() - 1)];
}

double latencies::max() {
  return percentile(1);
}

double median(std::vector<double> values) {
  if (values.empty())
    return 0;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle]
                                : (values[middle - 1] + values[middle]) / 2;
}

} // namespace perdura::client
