// SPDX-License-Identifier: Apache-2.0
#include "cluster/placement/placement.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace perdura::tests {

using cluster::check_nodes;
using cluster::node_id;
using cluster::place;
using cluster::placement;
using persistence::errc;

namespace {

std::vector<node_id> some_nodes(std::size_t count) {
  std::vector<node_id> nodes;
  for (std::size_t i = 1; i <= count; ++i)
    nodes.push_back("node-" + std::to_string(i));
  return nodes;
}

} // namespace

BOOST_AUTO_TEST_SUITE(placement_suite)

// Each node computes the placement when it creates its data directory, and
// stores it. All nodes must compute the same placement.
BOOST_AUTO_TEST_CASE(placement_matches_the_golden_vector) {
  const placement made = place(some_nodes(3), 12).value();
  const std::vector<std::uint32_t> expected{2, 2, 1, 2, 2, 0, 1, 0, 1, 0, 0, 1};
  BOOST_TEST(made.owners == expected, boost::test_tools::per_element());
}

// Every partition has exactly one owner.
BOOST_AUTO_TEST_CASE(nodes_differ_by_at_most_one_partition) {
  for (const std::size_t nodes : {1, 2, 3, 5, 7, 20, 32})
    for (const std::uint32_t partitions : {32U, 33U, 100U, 4096U}) {
      const placement made = place(some_nodes(nodes), partitions).value();
      BOOST_TEST(made.owners.size() == partitions);
      const std::size_t share = partitions / nodes;
      std::size_t all = 0;
      for (const node_id& node : made.nodes) {
        const auto owned = made.owned_by(node);
        BOOST_TEST(owned.size() >= share);
        BOOST_TEST(owned.size() <= share + 1);
        for (const auto partition : owned)
          BOOST_TEST(made.owner_of(partition) == node);
        all += owned.size();
      }
      BOOST_TEST(all == partitions);
    }
}

// The list is reversed; every node owns the same partitions.
BOOST_AUTO_TEST_CASE(node_order_does_not_matter) {
  auto nodes = some_nodes(5);
  const placement one = place(nodes, 64).value();
  std::reverse(nodes.begin(), nodes.end());
  const placement other = place(nodes, 64).value();
  for (const node_id& node : nodes)
    BOOST_TEST((one.owned_by(node) == other.owned_by(node)));
}

// place() refuses an empty list, duplicate or invalid names, and more nodes
// than partitions.
BOOST_AUTO_TEST_CASE(invalid_node_lists_are_refused) {
  for (const std::vector<node_id>& nodes : {std::vector<node_id>{},
                                            {"a", "a"},
                                            {""},
                                            {"Node"},
                                            {"a b"},
                                            {"a/b"},
                                            {std::string(65, 'a')},
                                            some_nodes(5)}) {
    const auto outcome = place(nodes, 4);
    BOOST_REQUIRE(!outcome);
    BOOST_TEST((outcome.code() == errc::invalid_argument));
  }
}

// A stored placement is compared with a new node list. Added nodes and another
// order are allowed; a missing owner is an error that names the node and its
// partitions.
BOOST_AUTO_TEST_CASE(missing_owner_is_refused_and_named) {
  const placement stored = place(some_nodes(3), 6).value();
  BOOST_TEST(static_cast<bool>(check_nodes(stored, some_nodes(3))));
  BOOST_TEST(static_cast<bool>(check_nodes(stored, some_nodes(4))));
  BOOST_TEST(
    static_cast<bool>(check_nodes(stored, {"node-3", "node-2", "node-1"})));
  const auto outcome = check_nodes(stored, {"node-1", "node-3"});
  BOOST_REQUIRE(!outcome);
  BOOST_TEST(outcome.error().message.find("\"node-2\"") != std::string::npos);
  for (const auto partition : stored.owned_by("node-2"))
    BOOST_TEST(outcome.error().message.find(
                 std::to_string(persistence::index_of(partition)))
               != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
