// SPDX-License-Identifier: Apache-2.0
// A cluster of three node processes under a workload of all sample
// orchestrations. A node is isolated from the others by proxies on the
// connections between the nodes; clients still reach it, so it acknowledges
// work that no other node knows. Then it is killed with SIGKILL, and the
// connections are restored before or after its next start.
//
// The long form is ./dev campaign nemesis. PERDURA_NEMESIS_KILLS is the number
// of kills, PERDURA_SEED another seed; --log_level=message prints the figures.
// faulted_cluster.hpp lists the invariants that are checked.
#include "real/faulted_cluster.hpp"
#include "real/link_proxy.hpp"
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <array>
#include <chrono>
#include <thread>

namespace perdura::tests {

using std::chrono::milliseconds;

namespace {

/// How a node is isolated.
enum class isolation : std::uint8_t {
  both_ways,
  not_heard, ///< The others receive nothing from it.
  deaf,      ///< It receives nothing from the others.
};

/// The connections between the nodes of a cluster, each through a proxy.
class cluster_links {
public:
  /// To be called before the nodes start. The node whose name sorts first
  /// connects to the other one, so only its node list changes.
  void put_between(local_cluster& cluster) {
    for (std::size_t from = 0; from < cluster.size(); ++from) {
      auto nodes = cluster.entries();
      for (std::size_t to = from + 1; to < cluster.size(); ++to) {
        std::string& entry = nodes[to];
        const std::size_t port = entry.rfind(':') + 1;
        links_.push_back(
          {from, to,
           std::make_unique<link_proxy>(
             static_cast<std::uint16_t>(std::stoul(entry.substr(port))))});
        entry.replace(port, entry.npos,
                      std::to_string(links_.back().proxy->port()));
      }
      cluster.node(from).next_options().nodes = nodes;
    }
  }

  void isolate(std::size_t node, isolation how) {
    for (const link& each : links_)
      if (how == isolation::both_ways && (each.from == node || each.to == node))
        each.proxy->set(link_state::stalled);
      else if (each.from == node)
        each.proxy->set(how == isolation::not_heard ? link_state::return_only
                                                    : link_state::one_way);
      else if (each.to == node)
        each.proxy->set(how == isolation::not_heard ? link_state::one_way
                                                    : link_state::return_only);
  }

  /// Restores all connections.
  void heal() {
    for (const link& each : links_)
      each.proxy->set(link_state::open);
  }

  /// Ends the connections of a node.
  void reset(std::size_t node) {
    for (const link& each : links_)
      if (each.from == node || each.to == node)
        each.proxy->reset_connections();
  }

private:
  struct link {
    std::size_t from = 0;
    std::size_t to = 0;
    std::unique_ptr<link_proxy> proxy;
  };

  std::vector<link> links_;
};

/// Instances that an isolated node has acknowledged.
class acknowledged_alone {
public:
  explicit acknowledged_alone(faulted_cluster& test) : test_(test) {}

  /// Starts some instances that the node owns, through its own HTTP API.
  void start_some(std::size_t node) {
    for (int i = 0; i < 4; ++i) {
      const std::string id
        = test_.cluster.id_on(node, "alone-" + std::to_string(ids_.size()));
      const auto reply = send_request(test_.cluster.node(node).endpoint(),
                                      {.method = "POST",
                                       .target = "/orchestrators/Echo/" + id,
                                       .body = '"' + id + '"',
                                       .key = id});
      if (reply && reply->status == 202)
        ids_.push_back(id);
    }
  }

  std::size_t count() const {
    return ids_.size();
  }

  /// One sentence for each instance that has not completed with its input. It
  /// is read from the node that owns it.
  std::vector<std::string> violations() const {
    std::vector<std::string> found;
    for (const std::string& id : ids_) {
      const auto& owner = test_.cluster.node(test_.cluster.owner_of(id));
      const auto reply = send_request(
        owner.endpoint(), {.target = "/instances/" + id + "?waitSeconds=30"});
      const auto status = reply
                            ? nlohmann::json::parse(reply->body, nullptr, false)
                            : nlohmann::json();
      if (!reply || reply->status != 200 || !status.is_object()
          || status["output"] != id)
        found.push_back(id + " was acknowledged by " + owner.name()
                        + " alone, and is "
                        + (reply ? reply->body : "not answered"));
    }
    return found;
  }

private:
  faulted_cluster& test_;
  std::vector<std::string> ids_;
};

/// Isolates one node after the other, and kills it.
class nemesis {
public:
  explicit nemesis(std::size_t orchestrations)
    : test_(orchestrations,
            [this](local_cluster& cluster) { links_.put_between(cluster); }),
      alone_(test_) {}

  faulted_cluster& test() {
    return test_;
  }

  void disturb_once() {
    const std::size_t victim = test_.random() % test_.cluster.size();
    const auto how = static_cast<isolation>(test_.random() % 3);
    links_.isolate(victim, how);
    ++isolations_;
    // Either the others notice the isolation, or it is short.
    if (how != isolation::deaf && test_.random() % 4 != 0)
      BOOST_TEST(test_.await_down(victim), "no node has noticed the isolation");
    else
      std::this_thread::sleep_for(test_.any_time_below(milliseconds(900)));
    alone_.start_some(victim);
    switch (test_.random() % 8) {
    case 0: // It is not killed.
      links_.reset(victim);
      links_.heal();
      break;
    case 1: // Another one is killed, which has lost its connection to it.
      restart((victim + 1) % test_.cluster.size());
      links_.heal();
      break;
    case 2:
    case 3:
    case 4: // It starts again before it is connected, and may die again.
      restart(victim);
      alone_.start_some(victim);
      if (test_.random() % 2 == 0)
        restart(victim);
      links_.heal();
      break;
    default:
      test_.kill(victim);
      links_.heal();
      test_.cluster.node(victim).spawn();
      test_.cluster.node(victim).expect_ready();
    }
  }

  void expect_right_ends() {
    links_.heal();
    test_.cluster.wait_until_connected();
    BOOST_TEST(alone_.count() > 0U,
               "no isolated node has acknowledged a start");
    for (const std::string& each : alone_.violations())
      BOOST_ERROR(each);
    test_.expect_right_ends(alone_.count());
    BOOST_TEST_MESSAGE(isolations_ << " isolations, " << alone_.count()
                                   << " starts acknowledged by an isolated "
                                      "node");
  }

private:
  void restart(std::size_t node) {
    test_.kill(node);
    test_.cluster.node(node).spawn();
    test_.cluster.node(node).expect_ready();
  }

  cluster_links links_; ///< Outlives the nodes.
  faulted_cluster test_;
  acknowledged_alone alone_;
  std::size_t isolations_ = 0;
};

} // namespace

BOOST_AUTO_TEST_SUITE(cluster_nemesis)

BOOST_AUTO_TEST_CASE(nodes_that_are_isolated_and_killed_lose_nothing) {
  const std::size_t kills = from_environment("PERDURA_NEMESIS_KILLS", 6);
  const std::size_t orchestrations
    = from_environment("PERDURA_CLUSTER_ORCHESTRATIONS", 20 * kills);
  nemesis all(orchestrations);
  faulted_cluster& test = all.test();
  while (test.kills < kills) {
    test.driver->wait_for_begun((test.kills + 1) * orchestrations
                                / (kills + 1));
    all.disturb_once();
  }
  all.expect_right_ends();
  BOOST_TEST(test.kills_during_work > 0,
             "no kill happened during unfinished work");
}

// The planted fault: after the kill, the directory is that of the time before
// the isolation.
BOOST_AUTO_TEST_CASE(start_that_an_isolated_node_has_lost_is_noticed) {
  cluster_links links;
  faulted_cluster test(
    1, [&](local_cluster& cluster) { links.put_between(cluster); });
  test.driver->finish();
  cluster_node& victim = test.cluster.node(0);
  const std::filesystem::path directory = victim.options().data_dir;
  const std::filesystem::path copy = directory.string() + ".copy";
  victim.kill();
  std::filesystem::copy(directory, copy,
                        std::filesystem::copy_options::recursive);
  victim.start();
  links.isolate(0, isolation::both_ways);
  acknowledged_alone alone(test);
  alone.start_some(0);
  BOOST_TEST_REQUIRE(alone.count() == 4U);
  BOOST_TEST(alone.violations().empty());
  victim.kill();
  std::filesystem::remove_all(directory);
  std::filesystem::rename(copy, directory);
  victim.start();
  BOOST_TEST(alone.violations().size() == 4U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
