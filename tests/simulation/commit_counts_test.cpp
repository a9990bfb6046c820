// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/scenario.hpp"

#include <boost/test/unit_test.hpp>

// The number of journal commits that each kind of work needs. An effect may
// leave a partition only after a commit, so this number bounds the latency.
// Commits of view flushes are not counted.

namespace perdura::tests {

using namespace actors;
using namespace persistence;

namespace {

using namespace std::chrono_literals;

/// A node that counts its commits; violations and refused requests fail the
/// test.
struct counting_node {
  counting_node() {
    before = node.commits();
  }

  /// Number of commits since the last call.
  std::uint64_t commits() {
    const std::uint64_t counted = node.commits() - before;
    before = node.commits();
    return counted;
  }

  /// Runs all held activities, so that their results arrive in one batch.
  void complete_activities_together() {
    node.holds_activity = nullptr;
    while (node.run_activity()) {
    }
  }

  ~counting_node() {
    for (const std::string& violation : node.violations)
      BOOST_ERROR(violation);
    for (const std::string& refusal : client.refusals)
      BOOST_ERROR(refusal);
  }

  static node_options options() {
    node_options options;
    options.functions = sample_functions();
    return options;
  }

  deterministic_node node{options()};
  scenario_client client{node};
  std::uint64_t before = 0;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(commit_counts, counting_node)

// Three activities in sequence: one commit for the start, and one for each
// result together with the turn that it causes.
BOOST_AUTO_TEST_CASE(hello_sequence_makes_four_commits) {
  client.start("a", "HelloSequence");
  client.await_end("a");
  BOOST_TEST(commits() == 4U);
}

// The start, the only turn and the end of the instance share one commit, which
// also answers the wait.
BOOST_AUTO_TEST_CASE(start_without_activities_makes_one_commit) {
  const auto start = client.submit_start("a", "Echo", "1");
  const auto wait = node.submit(wait_instance{"a"});
  client.await_answer(start, "start");
  client.await_answer(wait, "wait");
  BOOST_TEST(commits() == 1U);
}

// The start and the decisions of the first turn share one commit. All ten
// results share another one.
BOOST_AUTO_TEST_CASE(fan_out_with_batched_results_makes_two_commits) {
  node.holds_activity = [](const auto&) { return true; };
  client.start("a", "FanOutFanIn", "10");
  complete_activities_together();
  client.await_end("a");
  BOOST_TEST(commits() == 2U);
}

// Results that arrive one by one need at most one commit each.
BOOST_AUTO_TEST_CASE(fan_out_makes_at_most_one_commit_per_result) {
  client.start("a", "FanOutFanIn", "10");
  client.await_end("a");
  BOOST_TEST(commits() <= 11U);
}

// A day passes on a node with one waiting and one ended instance. The views may
// be flushed once. The deletion of the recorded answers to the two starts,
// after 10 to 15 minutes, needs one commit.
BOOST_AUTO_TEST_CASE(idle_node_makes_no_commit) {
  client.start("waiting", "Approval");
  client.start("ended", "HelloSequence");
  client.await_end("ended");
  commits();
  node.advance_time(20min);
  BOOST_TEST(commits() <= 1U);
  const auto views = node.journal().statistics().views_commits;
  node.advance_time(24h);
  BOOST_TEST(commits() == 0U);
  BOOST_TEST(node.journal().statistics().views_commits <= views + 1);
}

// Each event ends an execution and begins the next one.
BOOST_AUTO_TEST_CASE(continue_as_new_makes_one_commit_per_execution) {
  client.start("a", "Counter");
  commits();
  for (int i = 0; i < 5; ++i)
    client.raise("a", "Add", "1");
  BOOST_TEST(commits() == 5U);
}

// A turn may run before the previous turn is durable if these turns have no
// effect outside the partition.
BOOST_AUTO_TEST_CASE(executions_that_never_wait_share_one_commit) {
  client.start("a", "Loop", "5");
  client.await_end("a");
  BOOST_TEST(commits() == 1U);
}

// Parent and child are in different partitions.
BOOST_AUTO_TEST_CASE(sub_orchestration_makes_four_commits) {
  // Each of these needs one commit: the first turn of the parent, the start of
  // the child, the end of the child, and the last turn of the parent.
  BOOST_REQUIRE((node.partition_of("a") != node.partition_of("a-0")));
  client.start("a", "Family", R"({"name":"Give","input":1,"count":1})");
  client.await_end("a");
  BOOST_TEST(commits() == 4U);
  // Half a second after the acknowledgement, the partition of the child removes
  // the acknowledged message from its outbox. This needs one more commit.
  node.advance_time(1min);
  BOOST_TEST(commits() == 1U);
}

// The outbox of the sender needs one commit, and the inbox of the receiver
// needs another one.
BOOST_AUTO_TEST_CASE(event_to_another_instance_makes_two_commits) {
  client.start("collector", "Collect", "1");
  commits();
  BOOST_REQUIRE(
    (node.partition_of("collector") != node.partition_of("sender")));
  client.start("sender", "Sender", R"({"to":"collector","count":1})");
  client.await_end("collector");
  BOOST_TEST(commits() == 2U);
}

// An event, suspend, resume, purge and terminate each need one commit, together
// with the turn that they cause.
BOOST_AUTO_TEST_CASE(each_operation_makes_one_commit_with_its_turn) {
  client.start("a", "TwoEvents");
  BOOST_TEST(commits() == 1U);
  client.raise("a", "A", "1");
  BOOST_TEST(commits() == 1U);
  client.suspend("a");
  BOOST_TEST(commits() == 1U);
  client.raise("a", "B", "1");
  BOOST_TEST(commits() == 1U);
  client.resume("a");
  client.await_end("a");
  BOOST_TEST(commits() <= 2U); // resume is answered before the turn ends
  client.purge("a");
  BOOST_TEST(commits() == 1U);
  client.start("b", "Approval");
  commits();
  client.terminate("b");
  BOOST_TEST(commits() == 1U);
}

// The fired timer and the turn that it causes are committed together.
BOOST_AUTO_TEST_CASE(due_timer_makes_one_commit) {
  client.start("a", "Sleep", "1000");
  BOOST_TEST(commits() == 1U);
  client.await_end("a");
  BOOST_TEST(commits() == 1U);
}

// A repeated event, a status read, a refused start and an event for a missing
// instance change nothing.
BOOST_AUTO_TEST_CASE(reads_and_repeats_make_no_commit) {
  client.start("a", "Approval");
  const raise_event unwanted{"a", "X", "1", "once"};
  node.ask(unwanted);
  commits();
  node.ask(unwanted);
  node.ask(get_status{"a"});
  start_instance again;
  again.id = "a";
  again.name = "Approval";
  again.request = "another";
  BOOST_TEST((node.ask(again).code == errc::already_exists));
  node.ask(raise_event{"missing", "X", "1", "third"});
  BOOST_TEST(commits() == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
