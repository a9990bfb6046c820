// SPDX-License-Identifier: Apache-2.0
#include "client/configuration/edit_distance.hpp"

#include <algorithm>
#include <vector>

namespace perdura::client {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // `cost[i][j]` is the distance between the first i characters of `a` and the
  // first j of `b`.
  // @source Damerau-Levenshtein distance, optimal string alignment.
  std::vector<std::vector<std::size_t>> cost(
    a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i)
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      const std::size_t same = a[i - 1] == b[j - 1] ? 0 : 1;
      cost[i][j] = std::min(
        {cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + same});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  return cost[a.size()][b.size()];
}

} // namespace perdura::client
