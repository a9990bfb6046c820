// Three nodes, each a process with a door; one at a time is killed -9, or
// stands still, while orchestrations of all kinds run on all of them.
//
// The full form: PERDURA_CLUSTER_ORCHESTRATIONS=3000 PERDURA_CLUSTER_KILLS=60,
// PERDURA_SEED for another order, and --log_level=message for the figures.
//
// Of the oracle in the reliability page, this sees: I1 and I2 through every
// door and on disk; I3 by its consequence, results and Counter's sums; I4, I5,
// I6, I7, I8 on each killed node's disk and at rest; I9 by asking each door at
// the end; I10 as counts against starts; I11 but for LMDB's readers. I12 and
// I13 want the inside: the simulations see them.
#include "tests/support/temp_directory.hpp"
#include <perdura/client/api/cluster_client.hpp>

#include "real/cluster_harness.hpp"
#include "real/cluster_oracle.hpp"
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

std::size_t from_environment(const char* name, std::size_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoul(text, nullptr, 10);
}

/// A cluster under a workload, judged at its end.
class disturbed_cluster {
public:
  explicit disturbed_cluster(std::size_t orchestrations)
    : seed(static_cast<unsigned>(from_environment("PERDURA_SEED", 20'261'122))),
      random(seed),
      oracles(3) {
    cluster.start();
    auto connected = client::cluster_client::connect({cluster.entries()});
    BOOST_TEST_REQUIRE((connected ? "" : connected.error().message) == "");
    outside = std::move(*connected);
    BOOST_REQUIRE(outside->wait_for_all_nodes(cluster_patience));
    service = std::make_unique<client::orchestration_client>(outside->client());
    std::vector<sample_run> runs;
    for (std::size_t i = 0; i < orchestrations; ++i)
      runs.push_back(make_sample_run(i, random));
    began_at = steady_clock::now();
    // Most of them wait most of the time.
    const std::size_t threads = orchestrations >= 1000 ? 48 : 24;
    driver = std::make_unique<sample_driver>(std::move(runs), cluster.doors(),
                                             service.get(), threads, seed);
  }

  /// What it has done until then lies open before it comes back.
  void kill(std::size_t victim) {
    cluster_node& node = cluster.node(victim);
    node.kill();
    ++kills;
    const disk_reading found = read_disk(node.options().data_dir);
    kills_that_hit += found.under_way() > 0 ? 1 : 0;
    work_hit += found.under_way();
    oracles[victim].look(found,
                         read_witness(witness_of(node.options().data_dir)));
  }

  milliseconds any_time_below(milliseconds limit) {
    return milliseconds(random() % static_cast<unsigned>(limit.count()));
  }

  void expect_right_ends() {
    for (const std::string& each : driver->finish())
      BOOST_ERROR(each);
    const auto took = std::chrono::duration_cast<milliseconds>(
      steady_clock::now() - began_at);
    cluster.wait_until_met();
    expect_empty_outboxes();
    expect_same_through_all_doors();
    service.reset();
    outside->close();
    for (std::size_t i = 0; i < cluster.size(); ++i) {
      cluster_node& node = cluster.node(i);
      BOOST_TEST(node.stop() == 0, node.log());
      oracles[i].look(read_disk(node.options().data_dir),
                      read_witness(witness_of(node.options().data_dir)), true);
      for (const std::string& each : oracles[i].complaints())
        BOOST_ERROR(node.name() << ": " << each);
    }
    BOOST_TEST_MESSAGE(
      driver->runs().size()
      << " orchestrations in " << took.count() << " ms, " << kills << " kills, "
      << kills_that_hit << " of them hit work under way (" << work_hit
      << " turns, activities and messages), " << driver->repeats()
      << " requests repeated, seed " << seed);
  }

  local_cluster cluster;
  const unsigned seed;
  std::mt19937 random;
  std::unique_ptr<client::cluster_client> outside;
  std::unique_ptr<client::orchestration_client> service;
  std::unique_ptr<sample_driver> driver;
  std::vector<node_oracle> oracles;
  std::size_t kills = 0;
  std::size_t kills_that_hit = 0;
  std::size_t work_hit = 0;
  steady_clock::time_point began_at;

private:
  // I11, as the nodes say it while they run.
  void expect_empty_outboxes() {
    BOOST_TEST(ask_until(cluster.node(0).door(), {.target = "/perdura/cluster"},
                         [](const client::http_reply& reply) {
                           const json said = json::parse(reply.body);
                           for (const json& node : said["nodes"])
                             if (node["outboxMessages"] != 0)
                               return false;
                           return true;
                         }));
  }

  // I1, I2, I9, I10
  void expect_same_through_all_doors() {
    std::size_t wanted = driver->runs().size();
    for (const sample_run& run : driver->runs())
      wanted += run.children;
    for (const door& at : cluster.doors()) {
      const auto listed = list_through(at);
      BOOST_TEST(listed.size() == wanted);
      for (const sample_run& run : driver->runs()) {
        const auto found = listed.find(run.id);
        const std::string wrong = found == listed.end()
                                    ? run.id + " is not listed"
                                    : check_end(run, found->second);
        BOOST_TEST(wrong.empty(), at.url << ": " << wrong);
      }
      const auto count = ask(at, {.target = "/perdura/count"});
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

BOOST_AUTO_TEST_CASE(orchestrations_survive_kills_of_one_node_after_another) {
  const std::size_t orchestrations
    = from_environment("PERDURA_CLUSTER_ORCHESTRATIONS", 150);
  const std::size_t kills = from_environment("PERDURA_CLUSTER_KILLS", 6);
  disturbed_cluster test(orchestrations);
  while (test.kills < kills) {
    test.driver->wait_for_begun((test.kills + 1) * orchestrations
                                / (kills + 1));
    std::this_thread::sleep_for(test.any_time_below(milliseconds(40)));
    const std::size_t victim = test.random() % test.cluster.size();
    test.kill(victim);
    test.cluster.node(victim).spawn();
    // Some die again before they have recovered.
    if (test.kills < kills && test.random() % 4 == 0) {
      std::this_thread::sleep_for(test.any_time_below(milliseconds(200)));
      test.kill(victim);
      test.cluster.node(victim).spawn();
    }
    test.cluster.node(victim).expect_ready();
  }
  test.expect_right_ends();
  BOOST_TEST(test.kills_that_hit > 0, "no kill hit any work");
}

// Frozen for longer than the others wait for a sign of life: they take it for
// down, and it has slept through that.
BOOST_AUTO_TEST_CASE(a_node_that_stood_still_does_nothing_twice) {
  disturbed_cluster test(60);
  for (std::size_t victim = 0; victim < 2; ++victim) {
    test.driver->wait_for_begun(10 + 20 * victim);
    test.cluster.node(victim).pause();
    const door other
      = test.cluster.node((victim + 1) % test.cluster.size()).door();
    BOOST_TEST(ask_until(other, {.target = "/perdura/cluster"},
                         [&](const client::http_reply& reply) {
                           const json said = json::parse(reply.body);
                           for (const json& node : said["nodes"])
                             if (node["node"]
                                 == test.cluster.node(victim).name())
                               return !node["isUp"].get<bool>();
                           return false;
                         }),
               "nobody has noticed");
    std::this_thread::sleep_for(std::chrono::seconds(3));
    test.cluster.node(victim).go_on();
  }
  test.expect_right_ends();
  // Nobody died: not one activity had a reason to run twice.
  for (std::size_t i = 0; i < test.cluster.size(); ++i)
    for (const auto& [line, count] :
         read_witness(witness_of(test.cluster.node(i).options().data_dir)))
      BOOST_TEST(count == 1, line);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
