// SPDX-License-Identifier: Apache-2.0
// Nodes that a cluster refuses, and the sentence that each refused node
// reports.
#include "persistence/records/identity.hpp"

#include "real/running_cluster.hpp"
#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <string>

namespace perdura::tests {

namespace {

namespace fs = std::filesystem;

} // namespace

BOOST_FIXTURE_TEST_SUITE(cluster_refusal, running_cluster)

// The node itself detects that its directory does not match its configuration.
BOOST_AUTO_TEST_CASE(directory_of_another_hub_is_not_opened) {
  BOOST_TEST(node(2).stop() == 0);
  const std::string own = node(2).options().hub_id;
  node(2).next_options().hub_id = persistence::random_hex32();
  node(2).spawn();
  expect_refusal(node(2), "refused storage_foreign",
                 "holds the hub " + own + ", not " + node(2).options().hub_id,
                 1);
  node(2).next_options().hub_id = own;
  node(2).start();
  expect_cluster_works();
}

// The node starts, but its peers refuse the connection during the handshake.
BOOST_AUTO_TEST_CASE(node_of_another_hub_is_refused_by_its_peers) {
  BOOST_TEST(node(2).stop() == 0);
  const cluster_worker_options own = node(2).options();
  node(2).next_options().data_dir = directory() / "another";
  node(2).next_options().hub_id = persistence::random_hex32();
  node(2).spawn();
  static_cast<void>(node(2).next_line());
  BOOST_TEST(node_is_reported_down("node-3", node(2).options().hub_id));
  // Requests for the partitions of the refused node get 503.
  const auto reply = send_request(node(0).endpoint(),
                                  {.target = "/instances/" + id_on(2, "x")});
  BOOST_REQUIRE(reply);
  BOOST_TEST(reply->status == 503, reply->body);
  node(2).kill();
  node(2).next_options() = own;
  node(2).start();
  expect_cluster_works();
}

// The stored placement names node-2, which the first list lacks and the second
// list replaces by node-4.
BOOST_AUTO_TEST_CASE(node_list_that_moves_partitions_is_refused) {
  BOOST_TEST(node(2).stop() == 0);
  const std::vector<std::string> own = node(2).options().nodes;
  node(2).next_options().nodes = {own[0], own[2]};
  node(2).spawn();
  expect_refusal(node(2), "refused invalid_argument", "node-2", 1);
  node(2).next_options().nodes
    = {own[0], "node-4" + own[1].substr(own[1].find('=')), own[2]};
  node(2).spawn();
  expect_refusal(node(2), "refused invalid_argument", "node-2", 1);
  node(2).next_options().nodes = own;
  node(2).start();
  expect_cluster_works();
}

// The data directory of the node is empty. If the node served requests, it
// would report all its instances as not found.
BOOST_AUTO_TEST_CASE(node_with_an_emptied_directory_must_stop) {
  const std::string id = id_on(2, "kept");
  const endpoint_request start{
    .method = "POST", .target = "/orchestrators/Approval/" + id, .key = id};
  BOOST_TEST(request_until(node(0).endpoint(), start, [](const auto& reply) {
    return reply.status == 202;
  }));
  BOOST_TEST(node(2).stop() == 0);
  const fs::path data_dir = node(2).options().data_dir;
  fs::rename(data_dir, directory() / "saved");
  node(2).spawn();
  expect_refusal(node(2), "must-stop storage_foreign",
                 "another data directory than before", 3);
  BOOST_TEST(node_is_reported_down("node-3", ""));
  const auto reply
    = send_request(node(0).endpoint(), {.target = "/instances/" + id});
  BOOST_REQUIRE(reply);
  BOOST_TEST(reply->status == 503, reply->body);
  fs::remove_all(data_dir);
  fs::rename(directory() / "saved", data_dir);
  node(2).start();
  expect_cluster_works();
  const auto kept
    = send_request(node(0).endpoint(), {.target = "/instances/" + id});
  BOOST_REQUIRE(kept);
  BOOST_TEST(kept->status == 202, kept->body);
}

// A node connects to the nodes that follow it in the list, so a second node-1
// reaches node-2 and node-3. A second node-3 would connect to no node, and no
// node would connect to its port, which is not in the list.
BOOST_AUTO_TEST_CASE(second_node_of_the_same_name_must_stop) {
  cluster_node second(foreign_process("node-1"));
  second.spawn();
  expect_refusal(second, "must-stop storage_foreign",
                 "another data directory than before", 3);
  expect_cluster_works();
}

// The lock file of the directory is held by the first process.
BOOST_AUTO_TEST_CASE(second_process_on_the_same_directory_is_refused) {
  cluster_worker_options options = foreign_process("node-3");
  options.data_dir = node(2).options().data_dir;
  cluster_node second(options);
  second.spawn();
  expect_refusal(second, "refused storage_in_use", options.data_dir.string(),
                 1);
  expect_cluster_works();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
