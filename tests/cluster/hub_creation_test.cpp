// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/hub_creation.hpp"
#include "cluster/node/node.hpp"
#include "cluster/placement/peer_register.hpp"
#include "persistence/journal/lmdb_journal.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/temp_directory.hpp"
#include <perdura/actors/authoring/registry.hpp>

#include <boost/test/unit_test.hpp>

#include <fstream>

namespace perdura::tests {

using namespace cluster;
using persistence::errc;

namespace {

node_config config_of(const std::filesystem::path& directory,
                      const std::string& node) {
  node_config config;
  config.data_dir = directory;
  config.partition_count = 8;
  config.hub_id = std::string(32, 'a');
  config.cluster.node = node;
  config.cluster.nodes = {"node-1=127.0.0.1:7171", "node-2=127.0.0.1:7172",
                          "node-3=127.0.0.1:7173"};
  return config;
}

std::string refusal(const node_config& config) {
  const auto opened
    = node::open(config, std::make_shared<const actors::registry>());
  return opened ? "" : opened.error().message;
}

} // namespace

BOOST_AUTO_TEST_SUITE(hub_creation_suite)

// Every node computes the placement from the same configuration; only the
// directory ID differs.
BOOST_AUTO_TEST_CASE(all_nodes_store_the_same_placement) {
  temp_directory home;
  const auto one = create_hub(config_of(home.path() / "1", "node-1"));
  const auto two = create_hub(config_of(home.path() / "2", "node-2"));
  BOOST_REQUIRE(one);
  BOOST_REQUIRE(two);
  BOOST_TEST((placement_of(*one) == placement_of(*two)));
  BOOST_TEST(one->hub_id == two->hub_id);
  BOOST_TEST(one->directory_id != two->directory_id);
  const auto read = persistence::read_hub(home.path() / "2");
  BOOST_REQUIRE(read);
  BOOST_TEST((*read == *two));
}

// A hub ID that is missing or malformed is refused before a directory is
// created.
BOOST_AUTO_TEST_CASE(cluster_requires_a_configured_hub_id) {
  temp_directory home;
  node_config config = config_of(home.path() / "1", "node-1");
  config.hub_id.clear();
  auto made = create_hub(config);
  BOOST_REQUIRE(!made);
  BOOST_TEST(contains(made.error().message, "hub.id"));
  config.hub_id = "ABC";
  made = create_hub(config);
  BOOST_REQUIRE(!made);
  BOOST_TEST(contains(made.error().message, "32 hex digits"));
  BOOST_TEST(!std::filesystem::exists(home.path() / "1"));
}

// The data directory of node-1 is opened with another node name, another hub ID
// and without a cluster.
BOOST_AUTO_TEST_CASE(directory_opens_only_for_its_own_node_and_hub) {
  temp_directory home;
  const auto there = home.path() / "1";
  BOOST_REQUIRE(create_hub(config_of(there, "node-1")));
  BOOST_TEST(refusal(config_of(there, "node-1")) == "");
  BOOST_TEST(contains(refusal(config_of(there, "node-2")), "\"node-1\""));
  node_config other = config_of(there, "node-1");
  other.hub_id = std::string(32, 'b');
  BOOST_TEST(contains(refusal(other), other.hub_id));
  node_config alone = config_of(there, "node-1");
  alone.cluster = {};
  BOOST_TEST(contains(refusal(alone), "cluster.node is not set"));
}

// A node that owns partitions must not be removed from the list. Its address
// may change.
BOOST_AUTO_TEST_CASE(node_list_that_moves_partitions_is_refused) {
  temp_directory home;
  const auto there = home.path() / "1";
  BOOST_REQUIRE(create_hub(config_of(there, "node-1")));
  node_config fewer = config_of(there, "node-1");
  fewer.cluster.nodes.pop_back();
  BOOST_TEST(contains(refusal(fewer), "\"node-3\" is missing"));
  BOOST_TEST(contains(refusal(fewer), "partition"));
  node_config moved = config_of(there, "node-1");
  moved.cluster.nodes[1] = "node-2=127.0.0.1:9999";
  BOOST_TEST(refusal(moved) == "");
}

// The data directory does not exist, and the configuration does not ask for a
// new hub.
BOOST_AUTO_TEST_CASE(missing_hub_is_not_created_on_open) {
  temp_directory home;
  BOOST_TEST(contains(refusal(config_of(home.path() / "1", "node-1")),
                      "does not exist"));
}

// The ID of a peer's data directory is stored. A peer that has the same node
// name but another directory may have lost data.
BOOST_AUTO_TEST_CASE(peer_with_a_different_directory_is_refused) {
  temp_directory home;
  peer_hello hello;
  hello.node = "node-2";
  hello.directory = "first";
  {
    auto peers = peer_register::open(home.path()).value();
    BOOST_TEST(static_cast<bool>(peers->admit(hello)));
    BOOST_TEST(static_cast<bool>(peers->admit(hello)));
  }
  auto again = peer_register::open(home.path()).value();
  BOOST_TEST(static_cast<bool>(again->admit(hello)));
  hello.directory = "second";
  const auto refused = again->admit(hello);
  BOOST_REQUIRE(!refused);
  BOOST_TEST((refused.code() == errc::storage_foreign));
  BOOST_TEST(contains(refused.error().message, "node-2"));
  hello.node = "node-3";
  BOOST_TEST(static_cast<bool>(again->admit(hello)));
  std::ofstream(home.path() / "peers") << "something else\n";
  BOOST_TEST(
    (peer_register::open(home.path()).code() == errc::storage_damaged));
}

// A new node serves requests only after a peer has admitted it. The admission
// is stored.
BOOST_AUTO_TEST_CASE(admission_is_remembered_after_reopening) {
  temp_directory home;
  {
    auto peers = peer_register::open(home.path()).value();
    BOOST_TEST(!peers->was_admitted());
    BOOST_TEST(static_cast<bool>(peers->record_admission()));
    BOOST_TEST(static_cast<bool>(peers->record_admission()));
  }
  auto again = peer_register::open(home.path()).value();
  BOOST_TEST(again->was_admitted());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
