// SPDX-License-Identifier: Apache-2.0
// A cluster of three node processes under a workload of all sample
// orchestrations. One node at a time is killed with SIGKILL or frozen with
// SIGSTOP.
//
// The long form sets PERDURA_CLUSTER_ORCHESTRATIONS=3000 and
// PERDURA_CLUSTER_KILLS=60. PERDURA_SEED sets another seed, and
// --log_level=message prints the figures.
//
// Checked invariants, by their numbers in tests/README.md:
//   I1, I2   through the HTTP API of every node, and on disk
//   I3       indirectly, by the results and by the sums of Counter
//   I4..I8   on the disk of each killed node, and at the end
//   I9       by listing all instances through every node at the end
//   I10      by comparing the counts with the number of starts
//   I11      except for open LMDB readers
// I12 and I13 need access to the inside of a node; the simulations check them.
#include "tests/support/temp_directory.hpp"
#include <perdura/client/api/cluster_client.hpp>

#include "real/cluster_harness.hpp"
#include "real/node_checker.hpp"
#include "real/sample_runs.hpp"
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdlib>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace perdura::tests {

namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// The number in an environment variable, or `otherwise` if it is not set.
std::size_t from_environment(const char* name, std::size_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoul(text, nullptr, 10);
}

/// A cluster under a workload. All invariants are checked at its end.
class faulted_cluster {
public:
  explicit faulted_cluster(std::size_t orchestrations)
    : seed(static_cast<unsigned>(from_environment("PERDURA_SEED", 20'261'122))),
      random(seed),
      checkers(3) {
    cluster.start();
    auto connected = client::cluster_client::connect({cluster.entries()});
    BOOST_TEST_REQUIRE((connected ? "" : connected.error().message) == "");
    outside = std::move(*connected);
    BOOST_REQUIRE(outside->wait_for_all_nodes(cluster_wait_max));
    service = std::make_unique<client::orchestration_client>(outside->client());
    std::vector<sample_run> runs;
    for (std::size_t i = 0; i < orchestrations; ++i)
      runs.push_back(make_sample_run(i, random));
    began_at = steady_clock::now();
    // Each thread waits most of the time, so many of them can run at once.
    const std::size_t threads = orchestrations >= 1000 ? 48 : 24;
    driver = std::make_unique<sample_driver>(
      std::move(runs), cluster.endpoints(), service.get(), threads, seed);
  }

  /// Kills a node and checks its data directory before the node starts again.
  void kill(std::size_t victim) {
    cluster_node& node = cluster.node(victim);
    node.kill();
    ++kills;
    const disk_reading found = read_disk(node.options().data_dir);
    kills_during_work += found.open_work() > 0 ? 1 : 0;
    work_interrupted += found.open_work();
    checkers[victim].check(found,
                           read_witness(witness_of(node.options().data_dir)));
  }

  milliseconds any_time_below(milliseconds limit) {
    return milliseconds(random() % static_cast<unsigned>(limit.count()));
  }

  /// Waits for the end of all runs and checks all invariants.
  void expect_right_ends() {
    for (const std::string& each : driver->finish())
      BOOST_ERROR(each);
    const auto took = std::chrono::duration_cast<milliseconds>(
      steady_clock::now() - began_at);
    cluster.wait_until_connected();
    expect_empty_outboxes();
    expect_same_through_all_endpoints();
    service.reset();
    outside->close();
    for (std::size_t i = 0; i < cluster.size(); ++i) {
      cluster_node& node = cluster.node(i);
      BOOST_TEST(node.stop() == 0, node.log());
      checkers[i].check(read_disk(node.options().data_dir),
                        read_witness(witness_of(node.options().data_dir)),
                        true);
      for (const std::string& each : checkers[i].violations())
        BOOST_ERROR(node.name() << ": " << each);
    }
    BOOST_TEST_MESSAGE(
      driver->runs().size()
      << " orchestrations in " << took.count() << " ms, " << kills << " kills, "
      << kills_during_work << " of them during unfinished work ("
      << work_interrupted << " turns, activities and messages), "
      << driver->repeats() << " requests repeated, seed " << seed);
  }

  local_cluster cluster;
  const unsigned seed;
  std::mt19937 random;
  // This process is not a node. `outside` connects it to the cluster, and
  // `service` is the client API of this connection.
  std::unique_ptr<client::cluster_client> outside;
  std::unique_ptr<client::orchestration_client> service;
  std::unique_ptr<sample_driver> driver;
  std::vector<node_checker> checkers;
  std::size_t kills = 0;
  std::size_t kills_during_work = 0;
  std::size_t work_interrupted = 0;
  steady_clock::time_point began_at;

private:
  // Checks invariant I11 with the numbers of outbox messages that the running
  // nodes report.
  void expect_empty_outboxes() {
    BOOST_TEST(request_until(cluster.node(0).endpoint(),
                             {.target = "/perdura/cluster"},
                             [](const client::http_reply& reply) {
                               const json said = json::parse(reply.body);
                               for (const json& node : said["nodes"])
                                 if (node["outboxMessages"] != 0)
                                   return false;
                               return true;
                             }));
  }

  // Checks the invariants I1, I2, I9 and I10.
  void expect_same_through_all_endpoints() {
    std::size_t wanted = driver->runs().size();
    for (const sample_run& run : driver->runs())
      wanted += run.children;
    for (const http_endpoint& endpoint : cluster.endpoints()) {
      const auto listed = list_instances(endpoint);
      BOOST_TEST(listed.size() == wanted);
      for (const sample_run& run : driver->runs()) {
        const auto found = listed.find(run.id);
        const std::string wrong = found == listed.end()
                                    ? run.id + " is not listed"
                                    : check_end(run, found->second);
        BOOST_TEST(wrong.empty(), endpoint.url << ": " << wrong);
      }
      const auto count = send_request(endpoint, {.target = "/perdura/count"});
      BOOST_REQUIRE(count);
      BOOST_TEST(json::parse(count->body)["total"] == wanted);
    }
    const auto all = service->get_status_all({.top = 1000});
    BOOST_TEST_REQUIRE((all ? "" : all.error().message) == "");
    BOOST_TEST(all->size() == wanted);
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(cluster_kill)

// The kills are spread over the workload: before each kill the test waits until
// a further share of the runs has begun.
BOOST_AUTO_TEST_CASE(orchestrations_survive_kills_of_one_node_after_another) {
  const std::size_t orchestrations
    = from_environment("PERDURA_CLUSTER_ORCHESTRATIONS", 150);
  const std::size_t kills = from_environment("PERDURA_CLUSTER_KILLS", 6);
  faulted_cluster test(orchestrations);
  while (test.kills < kills) {
    test.driver->wait_for_begun((test.kills + 1) * orchestrations
                                / (kills + 1));
    std::this_thread::sleep_for(test.any_time_below(milliseconds(40)));
    const std::size_t victim = test.random() % test.cluster.size();
    test.kill(victim);
    test.cluster.node(victim).spawn();
    // Some nodes are killed a second time during their recovery.
    if (test.kills < kills && test.random() % 4 == 0) {
      std::this_thread::sleep_for(test.any_time_below(milliseconds(200)));
      test.kill(victim);
      test.cluster.node(victim).spawn();
    }
    test.cluster.node(victim).expect_ready();
  }
  test.expect_right_ends();
  BOOST_TEST(test.kills_during_work > 0,
             "no kill happened during unfinished work");
}

// The node is frozen until a peer has marked it as down. The frozen node can
// notice that only after it runs again.
BOOST_AUTO_TEST_CASE(frozen_node_runs_no_activity_twice) {
  faulted_cluster test(60);
  for (std::size_t victim = 0; victim < 2; ++victim) {
    test.driver->wait_for_begun(10 + 20 * victim);
    test.cluster.node(victim).pause();
    const http_endpoint other
      = test.cluster.node((victim + 1) % test.cluster.size()).endpoint();
    BOOST_TEST(request_until(other, {.target = "/perdura/cluster"},
                             [&](const client::http_reply& reply) {
                               const json said = json::parse(reply.body);
                               for (const json& node : said["nodes"])
                                 if (node["node"]
                                     == test.cluster.node(victim).name())
                                   return !node["isUp"].get<bool>();
                               return false;
                             }),
               "no peer has marked the node as down");
    std::this_thread::sleep_for(std::chrono::seconds(3));
    test.cluster.node(victim).resume();
  }
  test.expect_right_ends();
  // No process ended, so no activity may have run twice.
  for (std::size_t i = 0; i < test.cluster.size(); ++i)
    for (const auto& [line, count] :
         read_witness(witness_of(test.cluster.node(i).options().data_dir)))
      BOOST_TEST(count == 1, line);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
