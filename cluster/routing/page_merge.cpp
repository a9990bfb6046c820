#include "cluster/routing/page_merge.hpp"

#include <algorithm>
#include <optional>
#include <tuple>

namespace perdura::cluster {

using persistence::instance_page;
using persistence::instance_row;
using persistence::page_position;

namespace {

page_position place_of(const instance_row& row) {
  return {row.record.created_at, row.id};
}

bool is_before(const page_position& a, const page_position& b) {
  return std::tie(a.created_at, a.id) < std::tie(b.created_at, b.id);
}

} // namespace

instance_page merge_pages(std::vector<instance_page> pages, std::size_t top) {
  instance_page merged;
  std::optional<page_position> seen_to; // by every node
  for (instance_page& page : pages) {
    if (!page.token.empty())
      if (auto stopped = persistence::parse_token(page.token);
          stopped && (!seen_to || is_before(*stopped, *seen_to)))
        seen_to = std::move(*stopped);
    std::move(page.rows.begin(), page.rows.end(),
              std::back_inserter(merged.rows));
    merged.missing.insert(merged.missing.end(), page.missing.begin(),
                          page.missing.end());
  }
  std::sort(merged.rows.begin(), merged.rows.end(),
            [](const instance_row& a, const instance_row& b) {
              return is_before(place_of(a), place_of(b));
            });
  std::size_t count = merged.rows.size();
  if (seen_to)
    while (count > 0 && is_before(*seen_to, place_of(merged.rows[count - 1])))
      --count;
  if (count > top) {
    count = top;
    seen_to = place_of(merged.rows[count - 1]);
  }
  merged.rows.resize(count);
  if (seen_to)
    merged.token = persistence::to_token(*seen_to);
  std::sort(merged.missing.begin(), merged.missing.end());
  return merged;
}

} // namespace perdura::cluster
