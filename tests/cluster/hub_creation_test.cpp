#include "cluster/node/node.hpp"
#include "cluster/placement/hub_creation.hpp"
#include "cluster/placement/peer_register.hpp"
#include "persistence/journal/lmdb_journal.hpp"
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

bool has(const std::string& text, const std::string& word) {
  return text.find(word) != std::string::npos;
}

} // namespace

BOOST_AUTO_TEST_SUITE(hub_creation_suite)

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

BOOST_AUTO_TEST_CASE(a_cluster_wants_one_id_for_its_hub) {
  temp_directory home;
  node_config config = config_of(home.path() / "1", "node-1");
  config.hub_id.clear();
  auto made = create_hub(config);
  BOOST_REQUIRE(!made);
  BOOST_TEST(has(made.error().message, "hub.id"));
  config.hub_id = "ABC";
  made = create_hub(config);
  BOOST_REQUIRE(!made);
  BOOST_TEST(has(made.error().message, "32 hex digits"));
  BOOST_TEST(!std::filesystem::exists(home.path() / "1"));
}

BOOST_AUTO_TEST_CASE(a_directory_serves_only_the_node_and_hub_it_was_made_for) {
  temp_directory home;
  const auto there = home.path() / "1";
  BOOST_REQUIRE(create_hub(config_of(there, "node-1")));
  BOOST_TEST(refusal(config_of(there, "node-1")) == "");
  BOOST_TEST(has(refusal(config_of(there, "node-2")), "\"node-1\""));
  node_config other = config_of(there, "node-1");
  other.hub_id = std::string(32, 'b');
  BOOST_TEST(has(refusal(other), other.hub_id));
  node_config alone = config_of(there, "node-1");
  alone.cluster = {};
  BOOST_TEST(has(refusal(alone), "cluster.node is not set"));
}

BOOST_AUTO_TEST_CASE(a_list_that_would_move_partitions_is_refused) {
  temp_directory home;
  const auto there = home.path() / "1";
  BOOST_REQUIRE(create_hub(config_of(there, "node-1")));
  node_config fewer = config_of(there, "node-1");
  fewer.cluster.nodes.pop_back();
  BOOST_TEST(has(refusal(fewer), "\"node-3\" is missing"));
  BOOST_TEST(has(refusal(fewer), "partition"));
  node_config moved = config_of(there, "node-1");
  moved.cluster.nodes[1] = "node-2=127.0.0.1:9999";
  BOOST_TEST(refusal(moved) == "");
}

BOOST_AUTO_TEST_CASE(an_empty_directory_is_no_hub_unless_one_is_wanted) {
  temp_directory home;
  BOOST_TEST(has(refusal(config_of(home.path() / "1", "node-1")), "not there"));
}

BOOST_AUTO_TEST_CASE(a_peer_with_another_directory_than_before_is_refused) {
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
  BOOST_TEST(has(refused.error().message, "node-2"));
  hello.node = "node-3";
  BOOST_TEST(static_cast<bool>(again->admit(hello)));
  std::ofstream(home.path() / "peers") << "something else\n";
  BOOST_TEST(
    (peer_register::open(home.path()).code() == errc::storage_damaged));
}

BOOST_AUTO_TEST_CASE(that_it_was_let_in_once_is_remembered) {
  temp_directory home;
  {
    auto peers = peer_register::open(home.path()).value();
    BOOST_TEST(!peers->was_admitted());
    BOOST_TEST(static_cast<bool>(peers->note_admitted()));
    BOOST_TEST(static_cast<bool>(peers->note_admitted()));
  }
  auto again = peer_register::open(home.path()).value();
  BOOST_TEST(again->was_admitted());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
