#include "tests/simulation/scenario.hpp"

#include <boost/test/unit_test.hpp>

// What a shape costs in commits of the journal (design, "The one law"); those
// of the views are counted apart.

namespace perdura::tests {

namespace {

using namespace std::chrono_literals;

struct counting_node {
  counting_node() {
    before = node.commits();
  }

  /// Since the last call.
  std::uint64_t commits() {
    const std::uint64_t counted = node.commits() - before;
    before = node.commits();
    return counted;
  }

  /// Activities that are open end together.
  void end_activities_together() {
    node.holds_activity = nullptr;
    while (node.run_activity()) {
    }
  }

  ~counting_node() {
    for (const std::string& complaint : node.complaints)
      BOOST_ERROR(complaint);
    for (const std::string& note : teller.notes)
      BOOST_ERROR(note);
  }

  static node_options options() {
    node_options how;
    how.functions = sample_functions();
    return how;
  }

  deterministic_node node{options()};
  storyteller teller{node};
  std::uint64_t before = 0;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(commit_counts, counting_node)

BOOST_AUTO_TEST_CASE(a_hello_sequence_alone_makes_four) {
  teller.start("a", "HelloSequence");
  teller.await_end("a");
  BOOST_TEST(commits() == 4U);
}

BOOST_AUTO_TEST_CASE(a_start_and_wait_without_activity_makes_one) {
  const auto start = teller.ask_to_start("a", "Echo", "1");
  const auto wait = node.submit(wait_instance{"a"});
  teller.await_answer(start, "start");
  teller.await_answer(wait, "wait");
  BOOST_TEST(commits() == 1U);
}

BOOST_AUTO_TEST_CASE(a_fan_out_whose_results_arrive_together_makes_two) {
  node.holds_activity = [](const auto&) { return true; };
  teller.start("a", "FanOutFanIn", "10");
  end_activities_together();
  teller.await_end("a");
  BOOST_TEST(commits() == 2U);
}

BOOST_AUTO_TEST_CASE(a_fan_out_whose_results_trickle_makes_at_most_one_each) {
  teller.start("a", "FanOutFanIn", "10");
  teller.await_end("a");
  BOOST_TEST(commits() <= 11U);
}

BOOST_AUTO_TEST_CASE(an_idle_node_makes_none) {
  teller.start("waiting", "Approval");
  teller.start("ended", "HelloSequence");
  teller.await_end("ended");
  commits();
  const auto views = node.journal().statistics().views_commits;
  node.pass(24h);
  BOOST_TEST(commits() == 0U);
  BOOST_TEST(node.journal().statistics().views_commits <= views + 1);
}

BOOST_AUTO_TEST_CASE(continue_as_new_makes_one_an_execution) {
  teller.start("a", "Counter");
  commits();
  for (int i = 0; i < 5; ++i)
    teller.raise("a", "Add", "1");
  BOOST_TEST(commits() == 5U);
}

BOOST_AUTO_TEST_CASE(executions_that_wait_for_nothing_run_ahead_of_the_disk) {
  teller.start("a", "Loop", "5");
  teller.await_end("a");
  BOOST_TEST(commits() == 1U);
}

BOOST_AUTO_TEST_CASE(a_sub_orchestration_makes_four) {
  // Parent's turn, child's start, child's end, parent's turn.
  BOOST_REQUIRE((node.where("a") != node.where("a-0")));
  teller.start("a", "Family", R"({"name":"Give","input":1,"count":1})");
  teller.await_end("a");
  BOOST_TEST(commits() == 4U);
  // Half a second later the child's partition forgets what it has sent.
  node.pass(1min);
  BOOST_TEST(commits() == 1U);
}

BOOST_AUTO_TEST_CASE(an_event_to_another_instance_makes_two) {
  teller.start("collector", "Collect", "1");
  commits();
  BOOST_REQUIRE((node.where("collector") != node.where("sender")));
  teller.start("sender", "Sender", R"({"to":"collector","count":1})");
  teller.await_end("collector");
  BOOST_TEST(commits() == 2U);
}

BOOST_AUTO_TEST_CASE(each_operation_makes_one_with_the_turn_it_causes) {
  teller.start("a", "TwoEvents");
  BOOST_TEST(commits() == 1U);
  teller.raise("a", "A", "1");
  BOOST_TEST(commits() == 1U);
  teller.suspend("a");
  BOOST_TEST(commits() == 1U);
  teller.raise("a", "B", "1");
  BOOST_TEST(commits() == 1U);
  teller.resume("a");
  teller.await_end("a");
  BOOST_TEST(commits() <= 2U); // the answer does not wait for the turn
  teller.purge("a");
  BOOST_TEST(commits() == 1U);
  teller.start("b", "Approval");
  commits();
  teller.terminate("b");
  BOOST_TEST(commits() == 1U);
}

BOOST_AUTO_TEST_CASE(a_timer_that_is_due_makes_one) {
  teller.start("a", "Sleep", "1000");
  BOOST_TEST(commits() == 1U);
  teller.await_end("a");
  BOOST_TEST(commits() == 1U);
}

BOOST_AUTO_TEST_CASE(asking_and_repeating_make_none) {
  teller.start("a", "Approval");
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
  node.ask(raise_event{"nobody", "X", "1", "third"});
  BOOST_TEST(commits() == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
