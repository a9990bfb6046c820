// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/partition_fixture.hpp"

// Starts, waits, repeated requests, slow turns and a full store.

namespace perdura::tests {

using namespace actors;
using namespace persistence;

using namespace std::chrono_literals;

BOOST_FIXTURE_TEST_SUITE(partition_requests, partition_fixture)

// --- Starts ------------------------------------------------------------------

// The first of two starts in a batch wins; the second is refused.
BOOST_AUTO_TEST_CASE(two_starts_of_one_id_in_a_batch_run_it_once) {
  const ticket first = node.submit(start_request("a", "Give", "1"));
  const ticket second = node.submit(start_request("a", "Give", "2"));
  node.run_until_idle();
  BOOST_TEST((code_of(first) == errc::ok));
  BOOST_TEST((code_of(second) == errc::already_exists));
  BOOST_TEST(output_of("a") == "1");
}

// Two get-or-start requests in a batch create one instance; both answers name
// the same execution.
BOOST_AUTO_TEST_CASE(get_or_start_joins_the_start_in_its_batch) {
  start_instance one = start_request("a", "Give", "1");
  start_instance other = start_request("a", "Give", "2");
  one.get_or_start = true;
  other.get_or_start = true;
  const ticket first = node.submit(one);
  const ticket second = node.submit(other);
  node.run_until_idle();
  BOOST_TEST(node.answer_to(first)->created);
  BOOST_TEST(!node.answer_to(second)->created);
  BOOST_TEST(node.answer_to(second)->execution
             == node.answer_to(first)->execution);
}

// Setup: the first turn is queued in the journal and not durable. A refused
// start and a status read depend on it, so both are answered only after the
// commit.
BOOST_AUTO_TEST_CASE(refusal_waits_until_its_cause_is_durable) {
  const ticket first = node.submit(start_request("a", "Waits"));
  process_messages();
  finish_turn(); // queued in the journal, not durable
  const ticket second = node.submit(start_request("a", "Waits"));
  get_status ask;
  ask.id = "a";
  const ticket status = node.submit(ask);
  process_messages();
  BOOST_TEST(!node.is_answered(first));
  BOOST_TEST(!node.is_answered(second));
  BOOST_TEST(!node.is_answered(status));
  node.commit();
  BOOST_TEST((code_of(first) == errc::ok));
  BOOST_TEST((code_of(second) == errc::already_exists));
  BOOST_TEST((node.answer_to(status)->status->row.record.status
              == runtime_status::running));
}

// Setup: two starts arrive in one batch, and the first turn still runs. If the
// process ended now, the instance would not exist, so "already exists" must not
// be answered yet.
BOOST_AUTO_TEST_CASE(start_refused_in_a_batch_waits_for_the_first_turn) {
  const ticket first = node.submit(start_request("a", "Waits"));
  const ticket second = node.submit(start_request("a", "Waits"));
  process_messages();

  BOOST_TEST(!node.is_answered(first));
  BOOST_TEST(!node.is_answered(second));
  node.run_until_idle();
  BOOST_TEST((code_of(second) == errc::already_exists));
}

// --- Requests for one instance
// ------------------------------------------------

namespace {

/// Every request that changes the instance "a" that was created at this time.
std::vector<management_request> changes_of_a(timestamp created_at) {
  std::vector<management_request> all;
  const auto add = [&](auto request) {
    request.id = "a";
    request.created_at = created_at;
    all.emplace_back(std::move(request));
  };
  raise_event event;
  event.name = "E";
  add(event);
  add(suspend_instance{});
  add(resume_instance{});
  add(rewind_instance{});
  add(purge_instance{});
  add(terminate_instance{});
  return all;
}

} // namespace

BOOST_AUTO_TEST_CASE(request_for_an_earlier_instance_changes_nothing) {
  const ticket started = node.submit(start_request("a", "Waits"));
  node.run_until_idle();
  const timestamp created = node.answer_to(started)->created_at;
  BOOST_TEST((created != timestamp{}));
  for (const auto& each : changes_of_a(created - 1us)) {
    const ticket refused = node.submit(each);
    node.run_until_idle();
    BOOST_TEST((code_of(refused) == errc::forbidden));
  }
  BOOST_TEST((status_of("a") == runtime_status::running));
  const errc expected[] = {errc::ok,         errc::ok,           errc::ok,
                           errc::not_failed, errc::not_finished, errc::ok};
  std::size_t next = 0;
  for (const auto& each : changes_of_a(created)) {
    const ticket done = node.submit(each);
    node.run_until_idle();
    BOOST_TEST((code_of(done) == expected[next++]));
  }
  BOOST_TEST((status_of("a") == runtime_status::terminated));
}

// The start that replaces the instance is not durable when the request comes.
BOOST_AUTO_TEST_CASE(
  request_for_an_instance_that_is_being_replaced_is_refused) {
  const ticket first = node.submit(start_request("a", "Give", "1"));
  node.run_until_idle();
  const timestamp created = node.answer_to(first)->created_at;
  node.advance_time(1s);
  const ticket second = node.submit(start_request("a", "Waits"));
  const ticket late = node.submit(changes_of_a(created).back());
  node.run_until_idle();
  BOOST_TEST((code_of(late) == errc::forbidden));
  BOOST_TEST((node.answer_to(second)->created_at > created));
  BOOST_TEST((status_of("a") == runtime_status::running));
}

// --- Waits -------------------------------------------------------------------

// Setup: in one batch, one wait request arrives before the outcome of the last
// turn and one after it. Both are answered after the commit.
BOOST_AUTO_TEST_CASE(wait_in_the_batch_of_the_end_is_answered) {
  start_and_wait("a", "Waits");
  node.submit(raise_event{"a", "Go", "1", "r"});
  process_messages();
  const ticket before = node.submit(wait_instance{"a"});
  // The outcome of the turn arrives after the first wait request.
  BOOST_REQUIRE(node.run_turn());
  const ticket after = node.submit(wait_instance{"a"});
  process_messages();
  BOOST_TEST(!node.is_answered(before));
  BOOST_TEST(!node.is_answered(after));
  node.commit();
  BOOST_TEST(node.answer_to(before)->status->row.output == "1");
  BOOST_TEST(node.answer_to(after)->status->row.output == "1");
}

// A wait for completion ends with the last execution, not with the first.
BOOST_AUTO_TEST_CASE(wait_continues_through_continue_as_new) {
  start_and_wait("a", "AddKeep", "0");
  const ticket wait = node.submit(wait_instance{"a"});
  node.ask(raise_event{"a", "Add", "1", "r1"});
  node.run_until_idle();
  BOOST_TEST(!node.is_answered(wait));
  node.ask(raise_event{"a", "Stop", "null", "r2"});
  node.run_until_idle();
  BOOST_TEST(node.answer_to(wait)->status->row.output == "1");
}

// The caller of a cancelled wait no longer expects an answer.
BOOST_AUTO_TEST_CASE(cancelled_wait_is_not_answered) {
  start_and_wait("a", "Waits");
  const ticket wait = node.submit(wait_instance{"a"});
  process_messages();
  node.inject(p0, management_inbound{{1, wait}, cancel_wait{"a"}});
  node.ask(raise_event{"a", "Go", "1", "r"});
  node.run_until_idle();
  BOOST_TEST(!node.is_answered(wait));
}

// A wait for the start of a scheduled instance is answered at its start time.
BOOST_AUTO_TEST_CASE(wait_for_started_is_answered_by_a_scheduled_start) {
  start_instance later = start_request("a", "Waits");
  later.scheduled_at = node.clock.now() + 1h;
  node.ask(later);
  const ticket wait = node.submit(wait_instance{"a", wait_for::started});
  node.advance_time(59min);
  BOOST_TEST(!node.is_answered(wait));
  node.advance_time(2min);
  BOOST_TEST((code_of(wait) == errc::ok));
}

// --- Messages whose turn is slow ---------------------------------------------

// A message normally becomes durable in the commit of the turn that it causes.
// If the turn takes longer than 20 ms, the message is committed alone and
// answered, and the turn follows.
BOOST_AUTO_TEST_CASE(event_with_a_slow_turn_is_committed_alone) {
  start_and_wait("a", "Waits");
  const ticket raised = node.submit(raise_event{"a", "Go", "1", "r"});
  process_messages();
  node.clock.advance(19ms);
  node.check_time(p0);
  node.commit();
  BOOST_TEST(!node.is_answered(raised));
  node.clock.advance(2ms);
  node.check_time(p0);
  node.commit();
  BOOST_TEST((code_of(raised) == errc::ok));
  BOOST_TEST((status_of("a") == runtime_status::running));
  finish_turn();
  node.run_until_idle();
  BOOST_TEST(output_of("a") == "1");
  BOOST_TEST(count("a", "EventRaised") == 1U);
}

// If the first turn of an instance takes longer than 20 ms, the start is
// committed alone and answered. The instance is Pending until its first turn
// commits; after a crash the turn runs again.
BOOST_AUTO_TEST_CASE(start_with_a_slow_turn_is_committed_alone) {
  const ticket start = node.submit(start_request("a", "Give", "1"));
  process_messages();
  node.clock.advance(21ms);
  node.check_time(p0);
  node.commit();
  BOOST_TEST((code_of(start) == errc::ok));
  BOOST_TEST(!node.answer_to(start)->started);
  BOOST_TEST((status_of("a") == runtime_status::pending));

  node.crash_and_recover();
  node.run_until_idle();
  BOOST_TEST(output_of("a") == "1");
}

// The outcome of the slow turn is used when it arrives; the turn does not run
// again.
BOOST_AUTO_TEST_CASE(start_committed_alone_continues_its_running_turn) {
  node.submit(start_request("a", "Give", "1"));
  process_messages();
  node.clock.advance(21ms);
  node.check_time(p0);
  node.commit();
  finish_turn();
  node.run_until_idle();
  BOOST_TEST(output_of("a") == "1");
  BOOST_TEST(count("a", "OrchestratorStarted") == 2U);
}

// After a crash the event is delivered by recovery.
BOOST_AUTO_TEST_CASE(event_committed_alone_survives_a_crash) {
  start_and_wait("a", "Waits");
  node.submit(raise_event{"a", "Go", "1", "r"});
  process_messages();
  node.clock.advance(21ms);
  node.check_time(p0);
  node.commit();
  node.crash_and_recover();
  node.run_until_idle();
  BOOST_TEST(output_of("a") == "1");
}

// --- Repeated requests -------------------------------------------------------

// The answers of the last requests are stored with the instance. A repeat with
// the same request ID gets the first answer, before and after a crash, and
// changes nothing.
BOOST_AUTO_TEST_CASE(repeated_request_gets_the_first_answer_after_a_crash) {
  const start_instance start = start_request("a", "Collect", "2");
  const raise_event event{"a", "E", "1", "event"};
  const terminate_instance end{"a", "why", false, "end"};
  const management_answer first = node.ask(start);
  node.ask(event);
  for (int crashes = 0; crashes < 2; ++crashes) {
    const management_answer again = node.ask(start);
    BOOST_TEST((again.code == errc::ok));
    BOOST_TEST(again.execution == first.execution);
    BOOST_TEST(again.created);
    BOOST_TEST((node.ask(event).code == errc::ok));
    node.crash_and_recover();
  }
  node.run_until_idle();
  BOOST_TEST(count("a", "EventRaised") == 1U);
  BOOST_TEST((node.ask(end).code == errc::ok));
  BOOST_TEST((node.ask(end).code == errc::ok));
  node.crash_and_recover();
  BOOST_TEST((node.ask(end).code == errc::ok));
  BOOST_TEST((node.ask(terminate_instance{"a", "why", false, "2"}).code
              == errc::already_finished));
  BOOST_TEST(count("a", "ExecutionTerminated") == 1U);
}

// A repeat can also arrive in the batch of the first attempt.
BOOST_AUTO_TEST_CASE(repeat_in_the_same_batch_is_one_request) {
  const start_instance start = start_request("a", "Collect", "2");
  const raise_event event{"a", "E", "1", "event"};
  const ticket one = node.submit(start);
  const ticket two = node.submit(start);
  const ticket three = node.submit(event);
  const ticket four = node.submit(event);
  node.run_until_idle();
  for (const ticket each : {one, two, three, four})
    BOOST_TEST((code_of(each) == errc::ok));
  BOOST_TEST(node.answer_to(one)->execution == node.answer_to(two)->execution);
  BOOST_TEST(count("a", "EventRaised") == 1U);
}

// Setup: the repeat arrives when the event is queued in the journal and not
// durable yet.
BOOST_AUTO_TEST_CASE(repeat_before_the_commit_is_one_request) {
  start_and_wait("a", "Collect", "2");
  const raise_event event{"a", "E", "1", "event"};
  const ticket one = node.submit(event);
  process_messages();
  finish_turn();
  const ticket two = node.submit(event);
  process_messages();
  BOOST_TEST(!node.is_answered(two));
  node.run_until_idle();
  BOOST_TEST((code_of(one) == errc::ok));
  BOOST_TEST((code_of(two) == errc::ok));
  BOOST_TEST(count("a", "EventRaised") == 1U);
}

// --- A full store ------------------------------------------------------------

// Setup: the store is above its size limit. New starts and events are
// refused; results, terminate and purge are still accepted.
BOOST_AUTO_TEST_CASE(full_store_refuses_new_work_and_finishes_old_work) {
  node.holds_activity = [](const auto&) { return true; };
  start_and_wait("a", "Give", "1");
  start_and_wait("b", "Waits");
  node.journal().full = true;
  BOOST_TEST(
    (node.ask(start_request("c", "Give", "1")).code == errc::storage_full));
  BOOST_TEST(
    (node.ask(raise_event{"b", "Go", "1", "r"}).code == errc::storage_full));
  node.holds_activity = nullptr;
  node.run_until_idle();
  BOOST_TEST(output_of("a") == "1");
  BOOST_TEST(
    (node.ask(terminate_instance{"b", "", false, "t"}).code == errc::ok));
  BOOST_TEST((node.ask(purge_instance{"b"}).code == errc::ok));
  node.journal().full = false;
  BOOST_TEST((node.ask(start_request("c", "Give", "1")).code == errc::ok));
}

// --- Time --------------------------------------------------------------------

// Setup: a turn has been running for 6 s, which is longer than the limit of
// 5 s.
BOOST_AUTO_TEST_CASE(long_turn_is_reported_stuck_and_can_be_terminated) {
  node.submit(start_request("a", "Give", "1"));
  process_messages();
  node.clock.advance(6s);
  node.check_time(p0);
  BOOST_REQUIRE(node.partition(p0).stuck().size() == 1U);
  BOOST_TEST(node.partition(p0).stuck().front().first == "a");
  const ticket ended = node.submit(terminate_instance{"a", "", false, "t"});
  process_messages();
  node.commit();
  BOOST_TEST((code_of(ended) == errc::ok));
  BOOST_TEST(node.partition(p0).stuck().empty());
  node.run_until_idle();
}

// While a turn runs for a long time, the next wake-up of the partition stays in
// the future. Otherwise the partition would spin.
BOOST_AUTO_TEST_CASE(long_turn_causes_no_constant_wakeups) {
  node.submit(start_request("a", "Give", "1"));
  process_messages();
  for (const auto later : {1s, 10s, 31s, 31s, 61s}) {
    node.clock.advance(later);
    node.check_time(p0);
    BOOST_TEST(
      (actors::time_until(node.partition(p0).wake_at(), node.clock) > 1ms));
    node.commit();
  }
  node.run_until_idle();
  BOOST_TEST(output_of("a") == "1");
}

// Setup: the wall clock steps back by an hour between two events.
BOOST_AUTO_TEST_CASE(history_times_stay_ordered_when_the_clock_steps_back) {
  start_and_wait("a", "Collect", "3");
  node.ask(raise_event{"a", "E", "1", "r1"});
  node.clock.step_wall(-1h);
  node.ask(raise_event{"a", "E", "2", "r2"});
  node.crash_and_recover();
  node.ask(raise_event{"a", "E", "3", "r3"});
  node.run_until_idle();
  const auto history = node.history_of("a");
  BOOST_TEST(std::is_sorted(
    history.begin(), history.end(),
    [](const auto& a, const auto& b) { return a.time < b.time; }));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
