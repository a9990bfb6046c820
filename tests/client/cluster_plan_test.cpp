// SPDX-License-Identifier: Apache-2.0
// The creation of a cluster on this machine, interrupted at each step (finding
// S7).
#include "client/cli/cluster_plan.hpp"
#include "persistence/journal/hub_directory.hpp"
#include "persistence/journal/verify.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/temp_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

namespace perdura::tests {

namespace fs = std::filesystem;
using client::cluster_up_options;
using client::plan_cluster;
using client::prepare_cluster;
using persistence::errc;

namespace {

cluster_up_options two_small_nodes() {
  cluster_up_options options;
  options.nodes = 2;
  options.partitions = 4;
  return options;
}

/// Plans and prepares; the preparation ends after a step, or not if it is 0.
persistence::result<void> create(const fs::path& directory,
                                 const cluster_up_options& options,
                                 std::uint32_t last_step = 0) {
  const auto all = plan_cluster(options, directory);
  if (!all)
    return all.error();
  return prepare_cluster(*all,
                         [&](std::uint32_t step) { return step == last_step; });
}

/// Checks that the directory holds a whole cluster of these nodes.
void check_is_whole(const fs::path& directory, std::size_t nodes) {
  std::set<std::string> hubs;
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (!entry.is_directory())
      continue;
    const auto hub = persistence::read_hub(entry.path());
    BOOST_REQUIRE_MESSAGE(static_cast<bool>(hub), entry.path());
    hubs.insert(hub->hub_id);
    names.insert(hub->node);
    BOOST_TEST(hub->nodes.size() == nodes);
    BOOST_TEST(persistence::verify_hub(entry.path()).value().problems.empty());
    BOOST_TEST(fs::exists(directory / (hub->node + ".toml")));
  }
  BOOST_TEST(hubs.size() == 1U);
  BOOST_TEST(names.size() == nodes);
  BOOST_TEST(!fs::exists(directory / "cluster.creating"));
  const auto again = plan_cluster({}, directory);
  BOOST_REQUIRE(static_cast<bool>(again));
  BOOST_TEST(!again->is_new);
  BOOST_TEST(again->nodes.size() == nodes);
}

} // namespace

BOOST_AUTO_TEST_SUITE(cluster_plan_suite)

BOOST_AUTO_TEST_CASE(interrupted_creation_is_done_again_at_each_step) {
  std::uint32_t steps = 0;
  for (bool is_interrupted = true; is_interrupted;) {
    ++steps;
    temp_directory home;
    const fs::path directory = home.path() / "cluster";
    const auto first = create(directory, two_small_nodes(), steps);
    is_interrupted = !first;
    BOOST_TEST((first || first.code() == errc::shutting_down));
    BOOST_TEST_CONTEXT("step " << steps) {
      const auto second = create(directory, two_small_nodes());
      BOOST_TEST(static_cast<bool>(second),
                 (second ? "" : second.error().message));
      check_is_whole(directory, 2);
    }
  }
  BOOST_TEST(steps > 30U);
}

// The second creation has fewer nodes, and is interrupted, too.
BOOST_AUTO_TEST_CASE(creation_with_other_nodes_replaces_an_interrupted_one) {
  cluster_up_options three = two_small_nodes();
  three.nodes = 3;
  for (const std::uint32_t first : {5, 20, 30, 45})
    for (std::uint32_t second = 1; second < 40; second += 3) {
      temp_directory home;
      const fs::path directory = home.path() / "cluster";
      BOOST_TEST(
        (create(directory, three, first).code() == errc::shutting_down));
      static_cast<void>(create(directory, two_small_nodes(), second));
      BOOST_TEST_CONTEXT("steps " << first << " and " << second) {
        const auto last = create(directory, two_small_nodes());
        BOOST_TEST(static_cast<bool>(last), (last ? "" : last.error().message));
        check_is_whole(directory, 2);
      }
    }
}

// A complete cluster is never made anew, and no data is removed.
BOOST_AUTO_TEST_CASE(used_directory_of_an_incomplete_cluster_is_kept) {
  for (const char* name : {"lock", "notes", "peers", ".hidden"}) {
    temp_directory home;
    const fs::path directory = home.path() / "cluster";
    BOOST_TEST(
      (create(directory, two_small_nodes(), 30).code() == errc::shutting_down));
    std::ofstream(directory / "node-1" / name) << "x";
    const auto refused = plan_cluster({}, directory);
    BOOST_REQUIRE(!refused);
    BOOST_TEST((refused.code() == errc::storage_foreign));
    BOOST_TEST(contains(refused.error().message, "node-1 has been used"));
    BOOST_TEST(fs::exists(directory / "node-1" / name));
  }
}

BOOST_AUTO_TEST_CASE(missing_node_of_a_complete_cluster_is_not_made_anew) {
  temp_directory home;
  const fs::path directory = home.path() / "cluster";
  BOOST_REQUIRE(static_cast<bool>(create(directory, two_small_nodes())));
  fs::remove_all(directory / "node-2");
  const auto refused = plan_cluster({}, directory);
  BOOST_REQUIRE(!refused);
  BOOST_TEST(contains(refused.error().message, "but not node-2"));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
