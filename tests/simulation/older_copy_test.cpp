// SPDX-License-Identifier: Apache-2.0
// Two nodes of which one is restored from an older copy, or made anew. The
// copy is noticed when the session begins, and accepted only after an adoption.
#include "cluster/placement/partition_map.hpp"
#include "tests/simulation/scenario.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/simulated_node.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace perdura::tests {

using namespace actors;
using namespace persistence;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t partitions = 6;
constexpr std::uint64_t seeds = 12;

/// Two nodes without network faults, and the answers to the requests.
class two_simulated_nodes : public response_sink {
public:
  explicit two_simulated_nodes(std::uint64_t seed)
    : simulator_(seed),
      network_(simulator_),
      owners_(cluster::place({"node-1", "node-2"}, partitions).value()) {
    for (unsigned i = 0; i < 2; ++i) {
      simulated_node_options one;
      one.number = i;
      one.owners = owners_;
      one.functions = sample_functions();
      one.lanes = seed % 2 == 0 ? 2 : 1;
      nodes.push_back(std::make_unique<simulated_node>(
        std::move(one), simulator_, network_, *this));
    }
  }

  void answered(std::uint64_t ticket, management_answer answer) override {
    answers_[ticket] = std::move(answer);
  }

  void query_answered(std::uint64_t,
                      result<cluster::node_query_answer>) override {}

  void process_crashed(unsigned) override {}

  void run_for(cluster::steady_time time) {
    bool is_due = false;
    simulator_.after(time, [&] { is_due = true; });
    while (!is_due)
      simulator_.step();
  }

  bool run_until(const std::function<bool()>& done,
                 cluster::steady_time most = 30s) {
    for (const auto end = simulator_.now() + most; !done(); run_for(20ms))
      if (simulator_.now() >= end)
        return false;
    return true;
  }

  void start(unsigned node) {
    nodes[node]->start();
  }

  bool connected() const {
    return nodes[0]->is_running() && nodes[1]->is_running()
           && nodes[0]->serves() && nodes[1]->serves()
           && nodes[0]->router().is_up("node-2")
           && nodes[1]->router().is_up("node-1");
  }

  void start_both() {
    start(0);
    start(1);
    BOOST_REQUIRE(run_until([&] { return connected(); }));
  }

  /// An ID, not used before, whose partition belongs to the node.
  instance_id id_on(unsigned node) {
    for (;;) {
      instance_id id = "id-" + std::to_string(++last_id_);
      if (owners_.owner_of(cluster::partition_of(id, partitions))
          == nodes[node]->name())
        return id;
    }
  }

  std::uint64_t submit(unsigned node, management_request request) {
    nodes[node]->submit(++last_ticket_, std::move(request));
    return last_ticket_;
  }

  void start_instance_on(unsigned node, const instance_id& id,
                         const std::string& name, const std::string& input) {
    start_instance start;
    start.id = id;
    start.name = name;
    start.input = input;
    start.execution = "execution-" + std::to_string(last_ticket_ + 1);
    start.request = start.execution;
    const std::uint64_t ticket = submit(node, start);
    BOOST_REQUIRE(run_until([&] { return answers_.contains(ticket); }));
    BOOST_TEST((answers_[ticket].code == errc::ok), answers_[ticket].message);
  }

  /// Sends `count` events from an instance of one node to one of the other, in
  /// both directions. Returns whether all arrive.
  bool exchange(int count) {
    bool arrived = true;
    for (unsigned from = 0; from < 2; ++from) {
      const unsigned to = 1 - from;
      const instance_id receiver = id_on(to);
      const std::string number = std::to_string(count);
      start_instance_on(to, receiver, "Collect", number);
      start_instance_on(from, id_on(from), "Sender",
                        R"({"to":")" + receiver + R"(","count":)" + number
                          + '}');
      arrived
        = run_until([&] { return is_completed(to, receiver); }) && arrived;
    }
    return arrived;
  }

  bool is_completed(unsigned node, const instance_id& id) {
    const auto& known = nodes[node]
                          ->model()
                          .durable(cluster::partition_of(id, partitions))
                          .instances;
    const auto found = known.find(id);
    return found != known.end()
           && found->second.stored->record.status == runtime_status::completed;
  }

  void expect_refusals(bool expected) {
    for (const auto& each : nodes) {
      each->expects_refusal = expected;
      each->stopped.reset();
    }
  }

  void check() {
    for (const std::string& sentence : simulator_.violations())
      BOOST_ERROR(sentence);
  }

  std::vector<std::unique_ptr<simulated_node>> nodes;

private:
  simulator simulator_;
  simulated_network network_;
  const cluster::placement owners_;
  std::map<std::uint64_t, management_answer> answers_;
  std::uint64_t last_ticket_ = 0;
  int last_id_ = 0;
};

/// Crashes the node, runs `change` on its storage, and starts it.
template <class F>
void restart_with(two_simulated_nodes& cluster, unsigned node, F change) {
  cluster.nodes[node]->crash();
  change(*cluster.nodes[node]);
  cluster.start(node);
}

/// Adopts the node's directory and expects that the cluster works again.
void adopt_and_exchange(two_simulated_nodes& cluster, unsigned node) {
  cluster.nodes[node]->crash();
  cluster.nodes[node]->adopt();
  cluster.expect_refusals(false);
  cluster.start(node);
  BOOST_REQUIRE(cluster.run_until([&] { return cluster.connected(); }));
  cluster.run_for(1s);
  BOOST_TEST(cluster.exchange(3));
  cluster.run_for(8s); // acknowledgements, and reports of gaps
  for (const auto& each : cluster.nodes)
    BOOST_TEST(!each->stopped.has_value());
  // A further start needs no agreement.
  cluster.nodes[node]->crash();
  cluster.start(node);
  BOOST_REQUIRE(cluster.run_until([&] { return cluster.connected(); }));
  BOOST_TEST(cluster.exchange(2));
}

} // namespace

BOOST_AUTO_TEST_SUITE(older_copies)

BOOST_AUTO_TEST_CASE(restarts_without_a_loss_are_never_refused) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    two_simulated_nodes cluster(seed);
    cluster.start_both();
    for (unsigned round = 0; round < 4; ++round) {
      BOOST_TEST(cluster.exchange(2));
      restart_with(cluster, round % 2, [](simulated_node&) {});
      BOOST_REQUIRE(cluster.run_until([&] { return cluster.connected(); }));
    }
    cluster.check();
  }
}

// The copy lacks messages that it has sent and messages that it has received.
BOOST_AUTO_TEST_CASE(older_copy_is_refused_and_serves_after_its_adoption) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const unsigned node = seed % 2;
    two_simulated_nodes cluster(seed);
    cluster.start_both();
    BOOST_TEST(cluster.exchange(2));
    cluster.nodes[node]->crash();
    const auto saved = cluster.nodes[node]->save();
    cluster.start(node);
    BOOST_REQUIRE(cluster.run_until([&] { return cluster.connected(); }));
    BOOST_TEST(cluster.exchange(3));
    cluster.run_for(2s);
    cluster.expect_refusals(true);
    restart_with(cluster, node,
                 [&](simulated_node& one) { one.restore(saved); });
    BOOST_TEST(cluster.run_until([&] {
      return cluster.nodes[node]->stopped.has_value() && !cluster.connected();
    }));
    BOOST_REQUIRE(cluster.nodes[node]->stopped.has_value());
    BOOST_TEST(contains(cluster.nodes[node]->stopped->message, "older copy"));
    BOOST_TEST(!cluster.nodes[1 - node]->stopped.has_value());
    cluster.run_for(3s);
    BOOST_TEST(!cluster.connected());
    adopt_and_exchange(cluster, node);
    cluster.check();
  }
}

BOOST_AUTO_TEST_CASE(directory_made_anew_is_refused_and_serves_after_adoption) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const unsigned node = seed % 2;
    two_simulated_nodes cluster(seed);
    cluster.start_both();
    BOOST_TEST(cluster.exchange(3));
    cluster.run_for(2s);
    cluster.expect_refusals(true);
    restart_with(cluster, node, [](simulated_node& one) { one.make_anew(); });
    BOOST_TEST(cluster.run_until(
      [&] { return cluster.nodes[node]->stopped.has_value(); }));
    BOOST_REQUIRE(cluster.nodes[node]->stopped.has_value());
    BOOST_TEST(contains(cluster.nodes[node]->stopped->message,
                        "another data directory"));
    BOOST_TEST(!cluster.nodes[1 - node]->stopped.has_value());
    BOOST_TEST(!cluster.connected());
    adopt_and_exchange(cluster, node);
    cluster.check();
  }
}

// The messages to the copy that were not acknowledged when it was made are
// delivered, and those after them.
BOOST_AUTO_TEST_CASE(newest_copy_needs_no_adoption) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const unsigned node = seed % 2;
    two_simulated_nodes cluster(seed);
    cluster.start_both();
    BOOST_TEST(cluster.exchange(2));
    cluster.nodes[node]->crash();
    const auto saved = cluster.nodes[node]->save();
    cluster.nodes[node]->restore(saved);
    cluster.start(node);
    BOOST_REQUIRE(cluster.run_until([&] { return cluster.connected(); }));
    BOOST_TEST(cluster.exchange(2));
    cluster.check();
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
