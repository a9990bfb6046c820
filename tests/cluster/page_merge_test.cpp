// SPDX-License-Identifier: Apache-2.0
#include "cluster/routing/page_merge.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <random>
#include <set>

namespace perdura::tests {

using namespace cluster;
using namespace persistence;

namespace {

timestamp at(int second) {
  return timestamp(std::chrono::seconds(second));
}

instance_row row(int second, const std::string& id) {
  instance_row made;
  made.id = id;
  made.record.created_at = at(second);
  return made;
}

instance_page page_of(std::vector<instance_row> rows,
                      std::optional<page_position> stopped = {}) {
  instance_page page;
  page.rows = std::move(rows);
  if (stopped)
    page.token = to_token(*stopped);
  return page;
}

std::string ids(const instance_page& page) {
  std::string text;
  for (const instance_row& each : page.rows)
    text += each.id;
  return text;
}

/// Returns the next page of a node, with at most `count` rows.
instance_page ask(const std::vector<instance_row>& node,
                  const std::string& token, std::size_t count) {
  const auto after = token.empty() ? page_position{timestamp::min(), ""}
                                   : parse_token(token).value();
  instance_page page;
  for (const instance_row& each : node) {
    const page_position here{each.record.created_at, each.id};
    if (std::tie(here.created_at, here.id)
        <= std::tie(after.created_at, after.id))
      continue;
    if (page.rows.size() == count) {
      page.token
        = to_token({page.rows.back().record.created_at, page.rows.back().id});
      break;
    }
    page.rows.push_back(each);
  }
  return page;
}

} // namespace

BOOST_AUTO_TEST_SUITE(page_merge_suite)

BOOST_AUTO_TEST_CASE(rows_of_all_nodes_are_merged_in_order) {
  const auto merged = merge_pages(
    {page_of({row(1, "a"), row(3, "c")}), page_of({row(2, "b"), row(3, "d")})},
    10);
  BOOST_TEST(ids(merged) == "abcd");
  BOOST_TEST(merged.token == "");
}

// Two nodes return four rows in total for a page of three rows. The token must
// contain the position of the third row.
BOOST_AUTO_TEST_CASE(full_page_ends_with_a_token_for_the_next_row) {
  const auto merged = merge_pages(
    {page_of({row(1, "a"), row(3, "c")}), page_of({row(2, "b"), row(4, "d")})},
    3);
  BOOST_TEST(ids(merged) == "abc");
  BOOST_TEST((parse_token(merged.token).value() == page_position{at(3), "c"}));
}

// A node may return an incomplete page with a token for its next rows. The
// merged page then ends at the position in the token. Later rows of other nodes
// must wait for the next page, because rows of the incomplete node may precede
// them.
BOOST_AUTO_TEST_CASE(rows_after_the_first_incomplete_page_are_withheld) {
  const auto merged
    = merge_pages({page_of({row(1, "a")}, page_position{at(2), "x"}),
                   page_of({row(2, "b"), row(3, "c")})},
                  10);
  BOOST_TEST(ids(merged) == "ab");
  BOOST_TEST((parse_token(merged.token).value() == page_position{at(2), "x"}));
  const auto empty = merge_pages(
    {page_of({}, page_position{at(1), "x"}), page_of({row(3, "c")})}, 10);
  BOOST_TEST(ids(empty) == "");
  BOOST_TEST(empty.token != "");
}

// Distributes random instances over one to four nodes, which return pages of
// random size.
BOOST_AUTO_TEST_CASE(walk_over_nodes_returns_each_instance_once) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::vector<instance_row>> nodes(1 + random() % 4);
    std::multiset<std::string> all;
    for (int i = 0; i < 60; ++i) {
      const std::string id = "i" + std::to_string(i);
      all.insert(id);
      nodes[random() % nodes.size()].push_back(
        row(static_cast<int>(random() % 12), id));
    }
    for (auto& node : nodes)
      std::sort(node.begin(), node.end(), [](const auto& a, const auto& b) {
        return std::tie(a.record.created_at, a.id)
               < std::tie(b.record.created_at, b.id);
      });
    const std::size_t top = 1 + random() % 20;
    std::multiset<std::string> met;
    std::vector<page_position> order;
    std::string token;
    do {
      std::vector<instance_page> pages;
      for (const auto& node : nodes)
        pages.push_back(ask(node, token, 1 + random() % top));
      const auto merged = merge_pages(std::move(pages), top);
      BOOST_REQUIRE(merged.rows.size() <= top);
      for (const instance_row& each : merged.rows) {
        met.insert(each.id);
        order.push_back({each.record.created_at, each.id});
      }
      token = merged.token;
    } while (!token.empty());
    BOOST_TEST((met == all));
    BOOST_TEST(std::is_sorted(
      order.begin(), order.end(), [](const auto& a, const auto& b) {
        return std::tie(a.created_at, a.id) < std::tie(b.created_at, b.id);
      }));
  }
}

// A damaged row of an index has no place of its own: it stays with the row that
// it belongs to. It was dropped if its ID came after that row's.
BOOST_AUTO_TEST_CASE(damaged_rows_stay_on_their_page) {
  instance_row damaged = row(2, "z");
  damaged.error = "damaged";
  damaged.place = "b";
  const auto first
    = page_of({row(1, "a"), row(2, "b"), damaged}, page_position{at(2), "b"});
  BOOST_TEST(ids(merge_pages({first}, 2)) == "abz");
  BOOST_TEST(ids(merge_pages({first}, 7)) == "abz");
  BOOST_TEST(ids(merge_pages({first}, 1)) == "a");
  const auto token = parse_token(merge_pages({first}, 2).token).value();
  BOOST_TEST(token.id == "b");
  const auto other = page_of({row(1, "c"), row(3, "d")});
  BOOST_TEST(ids(merge_pages({first, other}, 7)) == "acbz");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
