// SPDX-License-Identifier: Apache-2.0
#include "cluster/routing/page_merge.hpp"

#include <algorithm>
#include <optional>
#include <tuple>

namespace perdura::cluster {

using persistence::instance_page;
using persistence::instance_row;
using persistence::page_position;

namespace {

/// The position of a row in the order of `is_before`. A continuation token
/// holds such a position.
page_position position_of(const instance_row& row) {
  return {row.record.created_at, row.id};
}

/// The order in which queries walk over instances: by creation time, then by
/// ID. IDs are unique, so no two rows have the same position.
bool is_before(const page_position& a, const page_position& b) {
  return std::tie(a.created_at, a.id) < std::tie(b.created_at, b.id);
}

} // namespace

instance_page merge_pages(std::vector<instance_page> pages, std::size_t top) {
  instance_page merged;
  // The position up to which every node has returned all its rows. Empty if
  // every node has reached the end of its rows.
  std::optional<page_position> complete_up_to;
  for (instance_page& page : pages) {
    if (!page.token.empty())
      if (auto stopped = persistence::parse_token(page.token);
          stopped && (!complete_up_to || is_before(*stopped, *complete_up_to)))
        complete_up_to = std::move(*stopped);
    std::move(page.rows.begin(), page.rows.end(),
              std::back_inserter(merged.rows));
    merged.missing.insert(merged.missing.end(), page.missing.begin(),
                          page.missing.end());
  }
  std::sort(merged.rows.begin(), merged.rows.end(),
            [](const instance_row& a, const instance_row& b) {
              return is_before(position_of(a), position_of(b));
            });
  std::size_t count = merged.rows.size();
  // Rows after `complete_up_to` are left out, because a node may have other
  // rows before them that it has not returned yet.
  if (complete_up_to)
    while (count > 0
           && is_before(*complete_up_to, position_of(merged.rows[count - 1])))
      --count;
  // The page is full: it ends at row number `top`, and the next page begins
  // after that row.
  if (count > top) {
    count = top;
    complete_up_to = position_of(merged.rows[count - 1]);
  }
  merged.rows.resize(count);
  if (complete_up_to)
    merged.token = persistence::to_token(*complete_up_to);
  std::sort(merged.missing.begin(), merged.missing.end());
  return merged;
}

} // namespace perdura::cluster
