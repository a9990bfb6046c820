#include "client/load/latencies.hpp"

#include <algorithm>
#include <cmath>

namespace perdura::client {

double latencies::at(double share) {
  if (all_us.empty())
    return 0;
  std::sort(all_us.begin(), all_us.end());
  const double rank = std::ceil(share * static_cast<double>(all_us.size()));
  const auto place = static_cast<std::size_t>(std::max(rank, 1.0)) - 1;
  return all_us[std::min(place, all_us.size() - 1)];
}

double latencies::max() {
  return at(1);
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
