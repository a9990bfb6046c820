// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/partition_fixture.hpp"

// Instances that leave memory and are loaded again.

namespace perdura::tests {

using namespace actors;
using namespace persistence;

using namespace std::chrono_literals;

BOOST_FIXTURE_TEST_SUITE(partition_eviction, evicting_partition)

// Setup: the instance waits for an event and has left memory. Two events arrive
// and load the instance, with only one replay.
BOOST_AUTO_TEST_CASE(message_for_an_evicted_instance_loads_it) {
  start_and_wait("a", "Collect", "2");
  node.run_until_idle();
  node.advance_time(1min);
  BOOST_REQUIRE(node.live("a") == nullptr);
  const ticket one = node.submit(raise_event{"a", "E", "1", "r1"});
  const ticket two = node.submit(raise_event{"a", "E", "2", "r2"});
  node.run_until_idle();
  BOOST_TEST((code_of(one) == errc::ok));
  BOOST_TEST((code_of(two) == errc::ok));
  BOOST_TEST(output_of("a") == "[1,2]");
  BOOST_TEST(counters().replays == 1U);
}

// An instance stays in memory while a turn runs and until the turn is durable.
BOOST_AUTO_TEST_CASE(instance_with_an_unfinished_turn_is_not_evicted) {
  start_and_wait("a", "Collect", "2");
  node.submit(raise_event{"a", "E", "1", "r1"});
  process_messages();
  node.clock.advance(1min);
  node.check_time(p0);
  BOOST_REQUIRE(node.live("a") != nullptr);
  BOOST_TEST(node.live("a")->turn_out);
  finish_turn();
  node.check_time(p0);
  BOOST_TEST(node.live("a") != nullptr); // the turn is not durable
  node.submit(raise_event{"a", "E", "2", "r2"});
  node.run_until_idle();
  BOOST_TEST(output_of("a") == "[1,2]");
}

// Setup: the instance is evicted while its activity runs.
BOOST_AUTO_TEST_CASE(result_for_an_evicted_instance_is_accepted) {
  node.holds_activity = [](const auto&) { return true; };
  start_and_wait("a", "Give", "1");
  node.advance_time(1min);
  BOOST_REQUIRE(node.live("a") == nullptr);
  node.holds_activity = nullptr;
  node.run_until_idle();
  BOOST_TEST(output_of("a") == "1");
}

// Regression test for a fault found by random_walk_test.cpp: the start time
// passed during a suspension, and the instance never started after resume.
BOOST_AUTO_TEST_CASE(scheduled_start_due_while_suspended_begins_on_resume) {
  for (const bool with_event : {false, true}) {
    const instance_id id = with_event ? "with" : "without";
    start_instance later = start_request(id, "Waits");
    later.scheduled_at = node.clock.now() + 1min;
    node.ask(later);
    if (with_event)
      node.ask(raise_event{id, "Go", "1", "r"});
    node.ask(suspend_instance{id, "s", "s"});
    node.advance_time(10min);
    BOOST_REQUIRE(node.live(id) == nullptr);
    BOOST_TEST((status_of(id) == runtime_status::suspended));
    node.ask(resume_instance{id, "r", "r2"});
    node.run_until_idle();
    if (!with_event) {
      BOOST_TEST((status_of(id) == runtime_status::running));
      node.ask(raise_event{id, "Go", "1", "r"});
    }
    node.run_until_idle();
    BOOST_TEST(output_of(id) == "1");
  }
}

// An event, a suspension and a resume before the start time do not start the
// instance early.
BOOST_AUTO_TEST_CASE(scheduled_start_resumed_early_waits_for_its_time) {
  start_instance later = start_request("a", "Waits");
  later.scheduled_at = node.clock.now() + 1min;
  node.ask(later);
  node.ask(raise_event{"a", "Go", "1", "r"});
  node.ask(suspend_instance{"a", "s", "s"});
  node.ask(resume_instance{"a", "r", "r2"});
  node.advance_time(50s);
  BOOST_TEST((status_of("a") == runtime_status::pending));
  node.advance_time(20s);
  BOOST_TEST(output_of("a") == "1");
}

// A wait request survives the eviction of its instance.
BOOST_AUTO_TEST_CASE(wait_for_an_evicted_instance_is_answered) {
  start_and_wait("a", "Waits");
  const ticket wait = node.submit(wait_instance{"a"});
  node.advance_time(1min);
  BOOST_REQUIRE(node.live("a") == nullptr);
  node.ask(raise_event{"a", "Go", "1", "r"});
  node.run_until_idle();
  BOOST_TEST(node.answer_to(wait)->status->row.output == "1");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
