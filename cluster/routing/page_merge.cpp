// SPDX-License-Identifier: Apache-2.0
#include "cluster/routing/page_merge.hpp"

#include <algorithm>
#include <optional>

namespace perdura::cluster {

using persistence::instance_page;
using persistence::instance_row;
using persistence::page_position;

instance_page merge_pages(std::vector<instance_page> pages, std::size_t top) {
  instance_page merged;
  // The position up to which every node has returned all its rows. Empty if
  // every node has reached the end of its rows.
  std::optional<page_position> complete_up_to;
  for (instance_page& page : pages) {
    if (!page.token.empty())
      if (auto stopped = persistence::parse_token(page.token);
          stopped && (!complete_up_to || *stopped < *complete_up_to))
        complete_up_to = std::move(*stopped);
    std::move(page.rows.begin(), page.rows.end(),
              std::back_inserter(merged.rows));
    merged.missing.insert(merged.missing.end(), page.missing.begin(),
                          page.missing.end());
  }
  std::stable_sort(merged.rows.begin(), merged.rows.end(),
                   [](const instance_row& a, const instance_row& b) {
                     return place_of(a) < place_of(b);
                   });
  // Rows after `complete_up_to` are left out, because a node may have other
  // rows before them that it has not returned yet.
  persistence::cut_page(merged.rows, top, complete_up_to);
  if (complete_up_to)
    merged.token = persistence::to_token(*complete_up_to);
  std::sort(merged.missing.begin(), merged.missing.end());
  return merged;
}

} // namespace perdura::cluster
