// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/partition_fixture.hpp"

// Requests, results and events that arrive while a turn of the same instance
// runs. Each case forces one order of events by hand.

namespace perdura::tests {

using namespace actors;
using namespace persistence;

using namespace std::chrono_literals;

namespace {

struct races_fixture : partition_fixture {
  /// The result of the oldest pending activity, as if it was running.
  activity_result result_of_activity() const {
    const activity_work_item& item = node.activities.front();
    activity_result result;
    result.instance = item.instance;
    result.execution = item.execution;
    result.sequence = item.sequence;
    result.outcome = task_completed{item.sequence, "1"};
    return result;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(partition_races, races_fixture)

// --- Terminate and suspend during a turn -------------------------------------

// Setup: an event has started the last turn, and terminate arrives before
// the turn ends. The turn would complete the instance; its outcome must be
// discarded and the instance must stay Terminated.
BOOST_AUTO_TEST_CASE(terminate_voids_the_running_turn) {
  start_and_wait("a", "Waits");
  const ticket raised = node.submit(raise_event{"a", "Go", "1", "r"});
  process_messages();
  BOOST_REQUIRE(node.turns.size() == 1U);
  const ticket ended = node.submit(terminate_instance{"a", "why", false, "t"});
  process_messages();
  finish_turn(); // completes the instance, too late
  node.run_until_idle();
  BOOST_TEST((code_of(raised) == errc::ok));
  BOOST_TEST((code_of(ended) == errc::ok));
  BOOST_TEST((status_of("a") == runtime_status::terminated));
  BOOST_TEST(output_of("a") == "\"why\"");
  BOOST_TEST(history_of("a").back() == "ExecutionTerminated \"why\"");
  BOOST_TEST(count("a", "ExecutionCompleted") == 0U);
  BOOST_TEST(node.stored("a")->inbox.size() == 1U); // unread
}

// Setup: terminate arrives while the first turn of a new instance runs. The
// activity that this turn schedules must never run.
BOOST_AUTO_TEST_CASE(terminate_works_before_the_first_turn_ends) {
  const ticket start = node.submit(start_request("a", "Give", "1"));
  process_messages();
  const ticket ended = node.submit(terminate_instance{"a", "why", false, "t"});
  process_messages();
  finish_turn();
  node.run_until_idle();
  BOOST_TEST((code_of(start) == errc::ok));
  BOOST_TEST((code_of(ended) == errc::ok));
  BOOST_TEST((status_of("a") == runtime_status::terminated));
  BOOST_TEST(node.activity_runs.empty());
}

// Setup: an instance is started, terminated and started again while the
// first turn still runs. The outcome of that turn belongs to the old execution
// and must not touch the new one.
BOOST_AUTO_TEST_CASE(void_turn_is_not_applied_to_the_next_execution) {
  const ticket first = node.submit(start_request("a", "Give", "1"));
  process_messages();
  node.submit(terminate_instance{"a", "why", false, "t"});
  const ticket second = node.submit(start_request("a", "Give", "2"));
  process_messages();
  BOOST_REQUIRE(node.turns.size() == 2U);
  finish_turn();
  node.run_until_idle();
  BOOST_TEST((code_of(first) == errc::ok));
  BOOST_TEST((code_of(second) == errc::ok));
  BOOST_TEST(output_of("a") == "2");
  BOOST_TEST(node.activity_runs.size() == 1U);
}

// Setup: suspend arrives while the first turn runs. The turn still commits
// and its activity runs, but the result waits in the inbox until resume, also
// across a crash.
BOOST_AUTO_TEST_CASE(suspend_lets_the_running_turn_commit) {
  const ticket start = node.submit(start_request("a", "Give", "1"));
  process_messages();
  const ticket suspended = node.submit(suspend_instance{"a", "s", "s"});
  process_messages();
  finish_turn();
  node.run_until_idle(); // the activity runs and its result is stored
  BOOST_TEST((code_of(start) == errc::ok));
  BOOST_TEST((code_of(suspended) == errc::ok));
  BOOST_TEST((status_of("a") == runtime_status::suspended));
  BOOST_TEST(node.activity_runs.size() == 1U);
  BOOST_TEST(node.turns.empty());
  BOOST_TEST(node.stored("a")->inbox.size() == 1U);
  node.crash_and_recover();
  node.run_until_idle();
  BOOST_TEST((status_of("a") == runtime_status::suspended));
  node.ask(resume_instance{"a", "r", "r"});
  node.run_until_idle();
  BOOST_TEST(output_of("a") == "1");
  BOOST_TEST(node.activity_runs.size() == 1U);
}

// Setup: suspend arrives while the last turn runs. The instance completes.
BOOST_AUTO_TEST_CASE(suspend_lets_the_running_turn_end_the_instance) {
  start_and_wait("a", "Waits");
  node.submit(raise_event{"a", "Go", "1", "r"});
  process_messages();
  node.submit(suspend_instance{"a", "s", "s"});
  process_messages();
  finish_turn();
  node.run_until_idle();
  BOOST_TEST((status_of("a") == runtime_status::completed));
  BOOST_TEST(output_of("a") == "1");
}

// Setup: suspend and resume arrive while a turn runs.
BOOST_AUTO_TEST_CASE(suspend_and_resume_during_a_turn_change_nothing) {
  start_and_wait("a", "Waits");
  node.submit(raise_event{"a", "Go", "1", "r"});
  process_messages();
  node.submit(suspend_instance{"a", "s", "s"});
  node.submit(resume_instance{"a", "r", "r2"});
  process_messages();
  finish_turn();
  node.run_until_idle();
  BOOST_TEST(output_of("a") == "1");
}

// Events raised during a suspension are acknowledged, start no turn, and are
// delivered in order at resume.
BOOST_AUTO_TEST_CASE(suspended_instance_stores_events_in_order_until_resume) {
  start_and_wait("a", "Collect", "3");
  node.ask(suspend_instance{"a", "s", "s"});
  for (const char* const number : {"1", "2", "3"})
    BOOST_TEST(
      (node.ask(raise_event{"a", "E", number, number}).code == errc::ok));
  BOOST_TEST(node.turns.empty());
  BOOST_TEST((status_of("a") == runtime_status::suspended));
  node.ask(resume_instance{"a", "r", "r"});
  node.run_until_idle();
  BOOST_TEST(output_of("a") == "[1,2,3]");
}

// Setup: suspend arrives during a turn that continues as new. The next
// execution is suspended too and runs only after resume.
BOOST_AUTO_TEST_CASE(suspension_outlives_continue_as_new) {
  start_and_wait("a", "AddKeep", "0");
  node.submit(raise_event{"a", "Add", "5", "r1"});
  process_messages();
  node.submit(suspend_instance{"a", "s", "s"});
  process_messages();
  finish_turn();
  node.run_until_idle();
  BOOST_TEST((status_of("a") == runtime_status::suspended));
  node.ask(raise_event{"a", "Stop", "null", "r2"});
  node.run_until_idle();
  BOOST_TEST((status_of("a") == runtime_status::suspended));
  node.ask(resume_instance{"a", "r", "r3"});
  node.run_until_idle();
  BOOST_TEST(output_of("a") == "5");
}

// --- Late results of activities ----------------------------------------------

// Setup: the instance was terminated, purged by force and started again under
// the same ID while the activity of the first execution was running.
BOOST_AUTO_TEST_CASE(result_for_a_replaced_instance_is_dropped) {
  node.holds_activity = [](const auto&) { return true; };
  start_and_wait("a", "Give", "1");
  const activity_result late = result_of_activity();
  node.ask(terminate_instance{"a", "why", false, "t"});
  node.ask(purge_instance{"a", {}, true});
  start_and_wait("a", "Give", "2");
  node.holds_activity = nullptr;
  BOOST_REQUIRE(node.activities.size() == 1U);
  node.inject(p0, late);
  node.process_mailboxes();
  BOOST_TEST(counters().results_stale == 1U);
  BOOST_TEST((status_of("a") == runtime_status::running));
  node.run_until_idle();
  BOOST_TEST(output_of("a") == "2");
}

// Setup: the instance has continued as new while an activity of the previous
// execution was running.
BOOST_AUTO_TEST_CASE(result_for_a_continued_instance_is_dropped) {
  node.holds_activity = [](const auto&) { return true; };
  start_and_wait("a", "Abandon", "false");
  node.ask(raise_event{"a", "Continue", "null", "c"});
  node.run_until_idle();
  node.holds_activity = nullptr;
  deliver_result();
  BOOST_TEST(counters().results_stale == 1U);
  node.ask(raise_event{"a", "Go", "7", "g"});
  node.run_until_idle();
  BOOST_TEST(output_of("a") == "7");
}

// Setup: the result of an activity arrives in the same batch as the outcome of
// the turn that continues as new. The result belongs to the previous execution.
BOOST_AUTO_TEST_CASE(result_in_the_batch_of_a_continuation_is_dropped) {
  node.holds_activity = [](const auto&) { return true; };
  start_and_wait("a", "Abandon", "false");
  node.submit(raise_event{"a", "Continue", "null", "c"});
  process_messages();
  node.holds_activity = nullptr;
  deliver_result(); // while the continuing turn runs
  finish_turn();
  node.run_until_idle();
  BOOST_TEST(counters().results_stale == 1U);
  node.ask(raise_event{"a", "Go", "7", "g"});
  node.run_until_idle();
  BOOST_TEST(output_of("a") == "7");
}

// Setup: the result of an activity arrives after its instance was purged by
// force. It is counted as stale and causes no commit.
BOOST_AUTO_TEST_CASE(result_for_a_purged_instance_is_dropped) {
  node.holds_activity = [](const auto&) { return true; };
  start_and_wait("a", "Give", "1");
  const activity_result late = result_of_activity();
  node.ask(terminate_instance{"a", "why", false, "t"});
  BOOST_TEST((node.ask(purge_instance{"a", {}, true}).code == errc::ok));
  const auto commits = node.commits();
  node.inject(p0, late);
  node.run_until_idle();
  BOOST_TEST(counters().results_stale == 1U);
  BOOST_TEST(node.commits() == commits);
  BOOST_TEST(output_of("a") == "no such instance");
}

// Activities run at least once, so the same result can arrive twice.
BOOST_AUTO_TEST_CASE(repeated_result_counts_once) {
  node.holds_activity = [](const auto&) { return true; };
  start_and_wait("a", "Give", "1");
  const activity_result twice = result_of_activity();
  node.activities.clear();
  node.inject(p0, twice);
  node.inject(p0, twice);
  node.run_until_idle();
  BOOST_TEST(counters().results_stale == 1U);
  BOOST_TEST(count("a", "TaskCompleted") == 1U);
}

// --- Continue-as-new ---------------------------------------------------------

// Setup: three events arrive in one batch; each of them makes the instance
// continue as new. No event may be lost.
BOOST_AUTO_TEST_CASE(continue_as_new_keeps_events_of_its_batch) {
  start_and_wait("a", "AddKeep", "0");
  for (const char* const number : {"1", "20", "300"})
    node.submit(raise_event{"a", "Add", number, number});
  node.run_until_idle();
  node.ask(raise_event{"a", "Stop", "null", "s"});
  node.run_until_idle();
  BOOST_TEST(output_of("a") == "321");
}

// Setup: two events arrive in one batch, and the orchestrator drops unprocessed
// events when it continues as new. The second event is acknowledged and
// dropped.
BOOST_AUTO_TEST_CASE(continue_as_new_can_drop_events_of_its_batch) {
  start_and_wait("a", "AddDrop", "0");
  const ticket first = node.submit(raise_event{"a", "Add", "1", "r1"});
  const ticket second = node.submit(raise_event{"a", "Add", "20", "r2"});
  node.run_until_idle();
  BOOST_TEST((code_of(first) == errc::ok));
  BOOST_TEST((code_of(second) == errc::ok));
  node.ask(raise_event{"a", "Stop", "null", "s"});
  node.run_until_idle();
  BOOST_TEST(output_of("a") == "1");
  BOOST_TEST(counters().events_discarded == 1U);
}

// Setup: a turn that continues as new is running when an event arrives. The
// turn began without this event, so the next execution receives the event, even
// if unprocessed events are dropped.
BOOST_AUTO_TEST_CASE(event_during_the_continuing_turn_is_not_lost) {
  for (const char* const name : {"AddKeep", "AddDrop"}) {
    start_and_wait(name, name, "0");
    node.submit(raise_event{name, "Add", "1", "r1"});
    process_messages();
    node.submit(raise_event{name, "Add", "20", "r2"});
    process_messages();
    finish_turn();
    node.run_until_idle();
    node.ask(raise_event{name, "Stop", "null", "s"});
    node.run_until_idle();
    BOOST_TEST(output_of(name) == "21", name);
  }
}

// Setup: the events Add, Stop and Add arrive in one batch. An event that was
// bound to a wait, but not awaited before continue_as_new, counts as
// unprocessed.
BOOST_AUTO_TEST_CASE(event_of_an_unawaited_wait_is_carried_over) {
  start_and_wait("a", "AddKeep", "0");
  node.submit(raise_event{"a", "Add", "1", "r1"});
  node.submit(raise_event{"a", "Stop", "null", "r2"});
  node.submit(raise_event{"a", "Add", "20", "r3"});
  // The second execution receives Stop and the second Add. Its code awaits Add
  // and continues as new; Stop is carried over to the third execution.
  node.run_until_idle();
  BOOST_TEST(output_of("a") == "21");
  BOOST_TEST(node.stored("a")->record.generation == 2U);
}

// --- Messages around the end of an instance ----------------------------------

// Setup: the outcome of the last turn and a terminate request are in one
// batch, in this order.
BOOST_AUTO_TEST_CASE(completion_before_terminate_in_a_batch_wins) {
  start_and_wait("a", "Waits");
  node.submit(raise_event{"a", "Go", "1", "r"});
  process_messages();
  BOOST_REQUIRE(node.run_turn());
  const ticket ended = node.submit(terminate_instance{"a", "why", false, "t"});
  node.run_until_idle();
  BOOST_TEST((code_of(ended) == errc::already_finished));
  BOOST_TEST(output_of("a") == "1");
}

// Setup: the outcome of the last turn and an event are in one batch, in this
// order.
BOOST_AUTO_TEST_CASE(event_after_the_end_in_a_batch_is_refused) {
  start_and_wait("a", "Waits");
  node.submit(raise_event{"a", "Go", "1", "r"});
  process_messages();
  BOOST_REQUIRE(node.run_turn());
  const ticket late = node.submit(raise_event{"a", "Go", "2", "r2"});
  node.run_until_idle();
  BOOST_TEST((code_of(late) == errc::already_finished));
}

// Setup: an event arrives while the last turn runs. It cannot be delivered
// any more, so it is refused, and a repeat of the request gets the same answer.
BOOST_AUTO_TEST_CASE(event_during_the_ending_turn_is_refused) {
  start_and_wait("a", "Waits");
  node.submit(raise_event{"a", "Go", "1", "r"});
  process_messages();
  const ticket late = node.submit(raise_event{"a", "Go", "2", "r2"});
  process_messages();
  finish_turn();
  node.run_until_idle();
  BOOST_TEST((code_of(late) == errc::already_finished));
  // A repeat gets the first answer.
  BOOST_TEST((node.ask(raise_event{"a", "Go", "2", "r2"}).code
              == errc::already_finished));
}

// Regression: an activity was held while a turn ran, as after a start. The end
// of the turn hid that; the activity waited, and nothing named it.
BOOST_AUTO_TEST_CASE(hold_during_a_turn_outlasts_the_turn) {
  start_and_wait("a", "Collect", "3");
  node.submit(raise_event{"a", "E", "1", "r1"});
  process_messages();
  BOOST_REQUIRE(node.turns.size() == 1U);
  node.inject(p0, instance_hold{"a", "its activity ends the process"});
  process_messages();
  finish_turn();
  node.run_until_idle();
  BOOST_TEST(node.stored("a")->record.held == "its activity ends the process");
  const auto listed = [&] {
    const auto stuck = node.partition(p0).stuck();
    return stuck.size() == 1 && stuck.front().first == "a";
  };
  BOOST_TEST(listed());
  node.advance_time(1h);
  BOOST_TEST(listed());
  // Events wait until the release.
  node.submit(raise_event{"a", "E", "2", "r2"});
  node.submit(raise_event{"a", "E", "3", "r3"});
  node.run_until_idle();
  BOOST_TEST((status_of("a") == runtime_status::running));
  node.ask(release_instance_request{"a", "r4"});
  node.run_until_idle();
  BOOST_TEST((status_of("a") == runtime_status::completed));
  BOOST_TEST(node.partition(p0).stuck().empty());
}

// The turn ends the instance: nothing is held any more.
BOOST_AUTO_TEST_CASE(hold_during_the_last_turn_ends_with_it) {
  start_and_wait("a", "Waits");
  node.submit(raise_event{"a", "Go", "1", "r"});
  process_messages();
  node.inject(p0, instance_hold{"a", "its activity ends the process"});
  process_messages();
  finish_turn();
  node.run_until_idle();
  BOOST_TEST(output_of("a") == "1");
  BOOST_TEST(node.stored("a")->record.held.empty());
  BOOST_TEST(node.partition(p0).stuck().empty());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
