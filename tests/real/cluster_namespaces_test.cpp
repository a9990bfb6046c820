// SPDX-License-Identifier: Apache-2.0
// Three nodes, each in a network namespace of its own and with mutual TLS
// between them. The test drops packets between the namespaces; no socket gets
// an error for that. Each node's HTTP API listens on the loopback interface of
// its namespace.
#include "persistence/records/identity.hpp"
#include "tests/support/temp_directory.hpp"

#include "real/cluster_harness.hpp"
#include "real/namespace_network.hpp"
#include "real/sample_runs.hpp"
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <chrono>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace perdura::tests {

namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t hosts = 3;

// Fixed ports: no other process listens in these namespaces.
constexpr std::uint16_t cluster_port = 7171;
constexpr std::uint16_t http_port = 7071;

class namespace_cluster {
public:
  namespace_cluster() : network(hosts) {
    const std::string hub_id = persistence::random_hex32();
    std::vector<std::string> names;
    std::vector<std::string> addresses;
    std::vector<std::string> entries;
    for (std::size_t i = 0; i < hosts; ++i) {
      names.push_back("node-" + std::to_string(i + 1));
      addresses.push_back(namespace_network::address(i));
      entries.push_back(names[i] + '=' + addresses[i] + ':'
                        + std::to_string(cluster_port));
    }
    make_certificates(home_.path() / "tls", names, addresses);
    for (std::size_t i = 0; i < hosts; ++i) {
      cluster_worker_options options;
      options.node = names[i];
      options.data_dir = home_.path() / names[i];
      options.hub_id = hub_id;
      options.nodes = entries;
      options.http_port = http_port;
      options.certificates = home_.path() / "tls";
      nodes_.push_back(
        std::make_unique<cluster_node>(std::move(options), network.netns(i)));
    }
    for (const auto& each : nodes_)
      each->spawn();
    for (const auto& each : nodes_)
      each->expect_ready();
    wait_until_connected();
  }

  void wait_until_connected() const {
    std::vector<cluster_node*> all;
    for (const auto& each : nodes_)
      all.push_back(each.get());
    tests::wait_until_connected(all);
  }

  cluster_node& node(std::size_t i) {
    return *nodes_[i];
  }

  std::vector<http_endpoint> endpoints() const {
    std::vector<http_endpoint> all;
    for (const auto& each : nodes_)
      all.push_back(each->endpoint());
    return all;
  }

  /// Waits until node `one` reports node `other` as up (`is_up`) or as down.
  /// @return false if that does not happen in time.
  bool wait_until_seen(std::size_t one, std::size_t other, bool is_up) {
    return request_until(node(one).endpoint(), {.target = "/perdura/cluster"},
                         [&](const client::http_reply& reply) {
                           const json report
                             = json::parse(reply.body, nullptr, false);
                           if (reply.status != 200)
                             return false;
                           for (const json& each : report["nodes"])
                             if (each["node"] == node(other).name())
                               return each["isUp"] == is_up;
                           return false;
                         });
  }

private:
  temp_directory home_; // Declared before nodes_, so that it outlives them.

public:
  namespace_network network; // Declared before nodes_ for the same reason.

private:
  std::vector<std::unique_ptr<cluster_node>> nodes_;
};

/// Whether the test can run here. Logs the reason if it cannot.
bool is_possible() {
  const std::string why = namespace_network::unavailable_reason();
  if (!why.empty())
    BOOST_TEST_MESSAGE("Skipped, nothing was tested: " << why << '.');
  return why.empty();
}

/// Returns `count` runs of the workload: every run of the sample Parent, which
/// has children on several nodes, and every fourth run of all samples.
std::vector<sample_run> runs_across(std::size_t count, std::mt19937& random) {
  std::vector<sample_run> runs;
  for (std::size_t n = 0; runs.size() < count; ++n)
    if (sample_run run = make_sample_run(n, random);
        run.name == "Parent" || n % 4 == 0)
      runs.push_back(std::move(run));
  return runs;
}

} // namespace

BOOST_AUTO_TEST_SUITE(cluster_namespaces)

// Checks the test network itself: if a cut dropped nothing, the other cases
// would pass without testing anything.
BOOST_AUTO_TEST_CASE(cut_drops_packets_in_one_or_both_directions) {
  if (!is_possible())
    return;
  namespace_network network(hosts);
  for (std::size_t from = 0; from < hosts; ++from)
    for (std::size_t to = 0; to < hosts; ++to)
      BOOST_TEST(network.packets_pass(from, to), from << " to " << to);
  network.cut_one_way(0, 1);
  BOOST_TEST(!network.packets_pass(0, 1));
  BOOST_TEST(network.packets_pass(1, 0));
  BOOST_TEST(network.packets_pass(0, 2));
  network.heal();
  network.cut(1, 2);
  BOOST_TEST(network.packets_pass(0, 1));
  BOOST_TEST(!network.packets_pass(1, 2));
  BOOST_TEST(!network.packets_pass(2, 1));
  network.heal();
  BOOST_TEST(network.packets_pass(1, 2));
  BOOST_TEST(network.packets_pass(2, 1));
  BOOST_TEST_MESSAGE(
    "Packets pass between "
    << hosts << " namespaces, and a cut drops them in one or both directions.");
}

// The test makes three cuts: between two nodes in both directions, between two
// nodes in one direction, and between one node and both others.
BOOST_AUTO_TEST_CASE(orchestrations_end_as_expected_despite_cuts) {
  if (!is_possible())
    return;
  namespace_cluster cluster;
  std::mt19937 random(7);
  sample_driver driver(runs_across(60, random), cluster.endpoints(), nullptr, 8,
                       7);
  driver.wait_for_begun(10);
  cluster.network.cut(0, 1);
  BOOST_TEST(cluster.wait_until_seen(0, 1, false));
  BOOST_TEST(cluster.wait_until_seen(1, 0, false));
  driver.wait_for_begun(20);
  cluster.network.heal();
  BOOST_TEST(cluster.wait_until_seen(0, 1, true));
  driver.wait_for_begun(30);
  // node-2 still receives packets from node-3, but node-3 receives none from
  // node-2. Both nodes must notice that.
  cluster.network.cut_one_way(1, 2);
  BOOST_TEST(cluster.wait_until_seen(2, 1, false));
  BOOST_TEST(cluster.wait_until_seen(1, 2, false));
  cluster.network.heal();
  BOOST_TEST(cluster.wait_until_seen(2, 1, true));
  driver.wait_for_begun(40);
  // The last cut isolates node-1 from both others.
  cluster.network.cut(0, 1);
  cluster.network.cut(0, 2);
  BOOST_TEST(cluster.wait_until_seen(1, 0, false));
  BOOST_TEST(cluster.wait_until_seen(2, 0, false));
  cluster.network.heal();
  for (const std::string& each : driver.finish())
    BOOST_ERROR(each);
  cluster.wait_until_connected();
  const auto listed = list_instances(cluster.node(2).endpoint());
  for (const sample_run& run : driver.runs()) {
    const auto found = listed.find(run.id);
    const std::string wrong = found == listed.end()
                                ? run.id + " is not listed"
                                : check_end(run, found->second);
    BOOST_TEST(wrong.empty(), wrong);
  }
  BOOST_TEST_MESSAGE(driver.runs().size()
                     << " orchestrations during three cuts, "
                     << driver.repeats() << " requests repeated");
}

BOOST_AUTO_TEST_CASE(wait_that_was_cut_off_is_answered_after_the_cut) {
  if (!is_possible())
    return;
  namespace_cluster cluster;
  const http_endpoint first_endpoint = cluster.node(0).endpoint();
  const http_endpoint second_endpoint = cluster.node(1).endpoint();
  // Twelve IDs, so that each node owns some of these instances.
  std::vector<std::string> ids;
  for (int i = 0; i < 12; ++i) {
    ids.push_back("wait-" + std::to_string(i));
    const endpoint_request start{.method = "POST",
                                 .target
                                 = "/orchestrators/Approval/" + ids.back(),
                                 .key = ids.back()};
    BOOST_TEST(request_until(second_endpoint, start, [](const auto& reply) {
      return reply.status == 202;
    }));
  }
  std::vector<std::future<std::optional<client::http_reply>>> waits;
  for (const std::string& id : ids)
    waits.push_back(std::async(std::launch::async, [&first_endpoint, id] {
      return send_request(first_endpoint,
                          {.target = "/instances/" + id + "?waitSeconds=60",
                           .time_out = cluster_wait_max});
    }));
  BOOST_TEST(request_until(
    first_endpoint, {.target = "/metrics"}, [](const auto& reply) {
      return reply.body.find("\nperdura_http_waits 12\n") != std::string::npos;
    }));
  cluster.network.cut(0, 1);
  BOOST_TEST(cluster.wait_until_seen(0, 1, false));
  std::vector<std::size_t> cut_off;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    // During the cut node-2 cannot reach the instances that node-1 owns.
    const auto reply
      = send_request(second_endpoint,
                     {.method = "POST",
                      .target = "/instances/" + ids[i] + "/raiseEvent/Approval",
                      .body = std::to_string(i),
                      .key = ids[i] + "-event"});
    BOOST_REQUIRE(reply);
    if (const auto seen
        = send_request(first_endpoint, {.target = "/instances/" + ids[i]});
        seen && seen->status == 503) {
      BOOST_TEST(reply->status == 202, reply->body);
      cut_off.push_back(i);
    }
  }
  BOOST_TEST(!cut_off.empty());
  for (const std::size_t i : cut_off)
    BOOST_TEST(
      (waits[i].wait_for(milliseconds(0)) == std::future_status::timeout));
  cluster.network.heal();
  BOOST_TEST(cluster.wait_until_seen(0, 1, true));
  const auto healed_at = steady_clock::now();
  for (std::size_t i = 0; i < ids.size(); ++i)
    BOOST_TEST(
      request_until(second_endpoint,
                    {.method = "POST",
                     .target = "/instances/" + ids[i] + "/raiseEvent/Approval",
                     .body = std::to_string(i),
                     .key = ids[i] + "-event"},
                    [](const auto& reply) { return reply.status == 202; }));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto ended = waits[i].get();
    BOOST_REQUIRE(ended);
    BOOST_TEST(ended->status == 200, ended->body);
    BOOST_TEST(json::parse(ended->body)["output"] == i);
  }
  BOOST_TEST_MESSAGE(cut_off.size()
                     << " waits were cut off; all 12 were answered "
                     << std::chrono::duration_cast<milliseconds>(
                          steady_clock::now() - healed_at)
                          .count()
                     << " ms after the nodes were connected again");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
