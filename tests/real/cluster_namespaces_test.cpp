// Three nodes in network namespaces, with mutual TLS between them, and a
// network that loses packets without a word. Each node is asked through its
// door on its own loopback.
#include "persistence/records/identity.hpp"
#include "tests/support/temp_directory.hpp"

#include "real/cluster_harness.hpp"
#include "real/cut_network.hpp"
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

// In a namespace of their own no port is taken.
constexpr std::uint16_t cluster_port = 7171;
constexpr std::uint16_t http_port = 7071;

class spread_cluster {
public:
  spread_cluster() : network(hosts) {
    const std::string hub_id = persistence::random_hex32();
    std::vector<std::string> names;
    std::vector<std::string> addresses;
    std::vector<std::string> entries;
    for (std::size_t i = 0; i < hosts; ++i) {
      names.push_back("node-" + std::to_string(i + 1));
      addresses.push_back(cut_network::address(i));
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
    wait_until_met();
  }

  void wait_until_met() const {
    std::vector<cluster_node*> all;
    for (const auto& each : nodes_)
      all.push_back(each.get());
    tests::wait_until_met(all);
  }

  cluster_node& node(std::size_t i) {
    return *nodes_[i];
  }

  std::vector<door> doors() const {
    std::vector<door> all;
    for (const auto& each : nodes_)
      all.push_back(each->door());
    return all;
  }

  /// Whether one takes the other for up, as soon as that is `wanted`.
  bool sees(std::size_t one, std::size_t other, bool wanted) {
    return ask_until(node(one).door(), {.target = "/perdura/cluster"},
                     [&](const client::http_reply& reply) {
                       const json said
                         = json::parse(reply.body, nullptr, false);
                       if (reply.status != 200)
                         return false;
                       for (const json& each : said["nodes"])
                         if (each["node"] == node(other).name())
                           return each["isUp"] == wanted;
                       return false;
                     });
  }

private:
  temp_directory home_; // Outlives the nodes.

public:
  cut_network network; // And so does this.

private:
  std::vector<std::unique_ptr<cluster_node>> nodes_;
};

bool is_possible() {
  const std::string why = cut_network::why_not();
  if (!why.empty())
    BOOST_TEST_MESSAGE("Skipped, nothing was tested: " << why << '.');
  return why.empty();
}

/// Orchestrations that cross nodes, and a few of all others.
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

// The self-check: without it, a cut that cuts nothing would prove anything.
BOOST_AUTO_TEST_CASE(packets_pass_and_a_cut_drops_them_one_way_or_both) {
  if (!is_possible())
    return;
  cut_network network(hosts);
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
  BOOST_TEST_MESSAGE("Packets pass between "
                     << hosts
                     << " namespaces, and a cut drops them one way or both.");
}

BOOST_AUTO_TEST_CASE(orchestrations_end_right_through_cuts) {
  if (!is_possible())
    return;
  spread_cluster cluster;
  std::mt19937 random(7);
  sample_driver driver(runs_across(60, random), cluster.doors(), nullptr, 8, 7);
  driver.wait_for_begun(10);
  cluster.network.cut(0, 1);
  BOOST_TEST(cluster.sees(0, 1, false));
  BOOST_TEST(cluster.sees(1, 0, false));
  driver.wait_for_begun(20);
  cluster.network.heal();
  BOOST_TEST(cluster.sees(0, 1, true));
  driver.wait_for_begun(30);
  // The one hears nothing, the other is heard by nobody: both must notice.
  cluster.network.cut_one_way(1, 2);
  BOOST_TEST(cluster.sees(2, 1, false));
  BOOST_TEST(cluster.sees(1, 2, false));
  cluster.network.heal();
  BOOST_TEST(cluster.sees(2, 1, true));
  driver.wait_for_begun(40);
  // And one that is alone.
  cluster.network.cut(0, 1);
  cluster.network.cut(0, 2);
  BOOST_TEST(cluster.sees(1, 0, false));
  BOOST_TEST(cluster.sees(2, 0, false));
  cluster.network.heal();
  for (const std::string& each : driver.finish())
    BOOST_ERROR(each);
  cluster.wait_until_met();
  const auto listed = list_through(cluster.node(2).door());
  for (const sample_run& run : driver.runs()) {
    const auto found = listed.find(run.id);
    const std::string wrong = found == listed.end()
                                ? run.id + " is not listed"
                                : check_end(run, found->second);
    BOOST_TEST(wrong.empty(), wrong);
  }
  BOOST_TEST_MESSAGE(driver.runs().size()
                     << " orchestrations through three cuts, "
                     << driver.repeats() << " requests repeated");
}

BOOST_AUTO_TEST_CASE(a_wait_through_a_cut_is_answered_after_it) {
  if (!is_possible())
    return;
  spread_cluster cluster;
  const door near = cluster.node(0).door();
  const door far = cluster.node(1).door();
  // One of these is on the other side.
  std::vector<std::string> ids;
  for (int i = 0; i < 12; ++i) {
    ids.push_back("wait-" + std::to_string(i));
    const question_to_door start{.method = "POST",
                                 .target
                                 = "/orchestrators/Approval/" + ids.back(),
                                 .key = ids.back()};
    BOOST_TEST(ask_until(
      far, start, [](const auto& reply) { return reply.status == 202; }));
  }
  std::vector<std::future<std::optional<client::http_reply>>> waits;
  for (const std::string& id : ids)
    waits.push_back(std::async(std::launch::async, [&near, id] {
      return ask(near, {.target = "/instances/" + id + "?waitSeconds=60",
                        .time_out = cluster_patience});
    }));
  BOOST_TEST(ask_until(near, {.target = "/metrics"}, [](const auto& reply) {
    return reply.body.find("\nperdura_http_waits 12\n") != std::string::npos;
  }));
  cluster.network.cut(0, 1);
  BOOST_TEST(cluster.sees(0, 1, false));
  std::vector<std::size_t> cut_off;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    // Some belong to the near side, which the far one cannot reach now.
    const auto reply
      = ask(far, {.method = "POST",
                  .target = "/instances/" + ids[i] + "/raiseEvent/Approval",
                  .body = std::to_string(i),
                  .key = ids[i] + "-event"});
    BOOST_REQUIRE(reply);
    if (const auto seen = ask(near, {.target = "/instances/" + ids[i]});
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
  BOOST_TEST(cluster.sees(0, 1, true));
  const auto healed_at = steady_clock::now();
  for (std::size_t i = 0; i < ids.size(); ++i)
    BOOST_TEST(
      ask_until(far,
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
                     << " ms after the nodes had met again");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
