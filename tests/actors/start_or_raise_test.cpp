// SPDX-License-Identifier: Apache-2.0
// Requests that send an event to an instance, and start the instance if it is
// not live.
#include "actors/partition/steps.hpp"
#include "tests/actors/damaged_fixture.hpp"
#include "tests/actors/partition_fixture.hpp"

namespace perdura::tests {

using namespace actors;
using namespace persistence;
using namespace std::chrono_literals;

namespace {

start_or_raise make_request(const instance_id& id, const std::string& name,
                            const std::string& input, const std::string& event,
                            const std::string& data,
                            const request_id& key = {}) {
  static unsigned executions = 0;
  start_or_raise made;
  made.id = id;
  made.name = name;
  made.input = input;
  made.execution = "raised-" + std::to_string(++executions);
  made.event = event;
  made.data = data;
  made.request = key;
  return made;
}

start_or_raise collect_one(const std::string& data,
                           const request_id& key = {}) {
  return make_request("a", "Collect", "1", "E", data, key);
}

struct start_or_raise_fixture : partition_fixture {
  using partition_fixture::partition_fixture;

  management_answer ask(management_request request) {
    management_answer answer = node.ask(std::move(request));
    node.run_until_idle();
    return answer;
  }

  const management_answer& answer_of(ticket number) {
    const management_answer* answer = node.answer_to(number);
    BOOST_REQUIRE_MESSAGE(answer != nullptr, "not answered");
    return *answer;
  }

  /// Asserts that the request has started an instance, or has only raised the
  /// event.
  void check(const management_answer& answer, bool started) {
    BOOST_TEST((answer.code == errc::ok), answer.message);
    BOOST_TEST(answer.id == "a");
    BOOST_TEST(answer.created == started);
    BOOST_TEST(answer.execution == node.stored("a")->record.execution);
    BOOST_TEST((answer.created_at == node.stored("a")->record.created_at));
  }

  /// The number of turns of the partition that the journal has.
  std::uint64_t turns() {
    return node.partition(p0).durable().meta.sequence - first_turn_;
  }

  std::size_t unread() {
    return node.stored("a")->inbox.size();
  }

private:
  std::uint64_t first_turn_ = node.partition(p0).durable().meta.sequence;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(start_or_raise_requests, start_or_raise_fixture)

// --- States of the instance -------------------------------------------------

BOOST_AUTO_TEST_CASE(an_absent_instance_is_started_with_its_event) {
  check(ask(make_request("a", "Collect", "2", "E", "1")), true);
  BOOST_TEST((status_of("a") == runtime_status::running));
  check(ask(make_request("a", "Collect", "9", "E", "2")), false);
  BOOST_TEST((status_of("a") == runtime_status::completed));
  BOOST_TEST(output_of("a") == "[1,2]");
  node.check_at_rest();
}

// The start, the first turn and the event are one commit.
BOOST_AUTO_TEST_CASE(start_and_event_are_one_commit) {
  const auto before = node.commits();
  const ticket one = node.submit(make_request("a", "Waits", "null", "Go", "7"));
  process_messages();
  finish_turn();
  BOOST_TEST(!node.is_answered(one));
  BOOST_TEST(node.commits() == before);
  node.commit();
  BOOST_TEST(node.commits() == before + 1);
  check(answer_of(one), true);
  BOOST_TEST(answer_of(one).started);
  BOOST_TEST((status_of("a") == runtime_status::completed));
  BOOST_TEST(output_of("a") == "7");
  BOOST_TEST(turns() == 1U);
}

// The first turn takes long: the start and the event become durable without
// it, still with one commit.
BOOST_AUTO_TEST_CASE(a_long_first_turn_does_not_delay_the_answer) {
  const auto before = node.commits();
  const ticket one = node.submit(make_request("a", "Waits", "null", "Go", "7"));
  process_messages();
  BOOST_REQUIRE(node.turns.size() == 1U);
  node.clock.advance(1s);
  BOOST_REQUIRE(node.check_time(p0));
  node.commit();
  BOOST_TEST(node.commits() == before + 1);
  check(answer_of(one), true);
  BOOST_TEST(!answer_of(one).started);
  BOOST_TEST(unread() == 1U);
  node.crash_and_recover();
  node.run_until_idle();
  BOOST_TEST(output_of("a") == "7");
}

BOOST_AUTO_TEST_CASE(requests_join_a_start_of_the_same_batch) {
  const ticket start = node.submit(start_request("a", "Collect", "2"));
  const ticket one = node.submit(make_request("a", "Waits", "9", "E", "1"));
  const ticket two = node.submit(make_request("a", "Waits", "9", "E", "2"));
  const ticket other = node.submit(start_request("a", "Collect", "2"));
  node.run_until_idle();
  BOOST_TEST(answer_of(start).created);
  check(answer_of(one), false);
  check(answer_of(two), false);
  BOOST_TEST((code_of(other) == errc::already_exists));
  BOOST_TEST(output_of("a") == "[1,2]");
}

// A get-or-start request and an event join the start of a start_or_raise.
BOOST_AUTO_TEST_CASE(other_requests_join_its_start) {
  const ticket one = node.submit(make_request("a", "Collect", "2", "E", "1"));
  start_instance joins = start_request("a", "Collect", "2");
  joins.get_or_start = true;
  const ticket joined = node.submit(joins);
  const ticket refused = node.submit(start_request("a", "Collect", "2"));
  const ticket raised = node.submit(raise_event{"a", "E", "2", "r"});
  node.run_until_idle();
  check(answer_of(one), true);
  check(answer_of(joined), false);
  BOOST_TEST((code_of(refused) == errc::already_exists));
  BOOST_TEST((code_of(raised) == errc::ok));
  BOOST_TEST(output_of("a") == "[1,2]");
}

BOOST_AUTO_TEST_CASE(a_hundred_requests_start_one_instance) {
  std::vector<ticket> tickets;
  for (int i = 0; i < 100; ++i)
    tickets.push_back(
      node.submit(make_request("a", "Collect", "100", "E", std::to_string(i))));
  node.run_until_idle();
  std::size_t started = 0;
  for (const ticket each : tickets) {
    BOOST_REQUIRE((code_of(each) == errc::ok));
    started += answer_of(each).created ? 1U : 0U;
  }
  BOOST_TEST(started == 1U);
  BOOST_TEST(count("a", "ExecutionStarted") == 1U);
  BOOST_TEST(count("a", "EventRaised") == 100U);
  BOOST_TEST((status_of("a") == runtime_status::completed));
  node.check_at_rest();
}

BOOST_AUTO_TEST_CASE(a_pending_instance_stores_the_event) {
  start_instance later = start_request("a", "Waits");
  later.scheduled_at = node.clock.now() + 1h;
  BOOST_REQUIRE((ask(later).code == errc::ok));
  const management_answer answer
    = ask(make_request("a", "Collect", "1", "Go", "7"));
  check(answer, false);
  BOOST_TEST(!answer.started);
  BOOST_TEST((status_of("a") == runtime_status::pending));
  BOOST_TEST(unread() == 1U);
  node.advance_time(2h);
  node.run_until_idle();
  BOOST_TEST(output_of("a") == "7");
}

BOOST_AUTO_TEST_CASE(a_suspended_instance_stores_the_event) {
  start_and_wait("a", "Waits");
  BOOST_REQUIRE((ask(suspend_instance{"a", "", "s"}).code == errc::ok));
  check(ask(make_request("a", "Waits", "null", "Go", "7")), false);
  BOOST_TEST((status_of("a") == runtime_status::suspended));
  BOOST_TEST(unread() == 1U);
  BOOST_REQUIRE((ask(resume_instance{"a", "", "r"}).code == errc::ok));
  BOOST_TEST(output_of("a") == "7");
}

BOOST_AUTO_TEST_CASE(a_held_instance_stores_the_event) {
  start_and_wait("a", "Waits");
  node.inject(p0, instance_hold{"a", "why"});
  node.run_until_idle();
  check(ask(make_request("a", "Waits", "null", "Go", "7")), false);
  BOOST_TEST(unread() == 1U);
  BOOST_REQUIRE((ask(release_instance_request{"a", "r"}).code == errc::ok));
  BOOST_TEST(output_of("a") == "7");
}

BOOST_AUTO_TEST_CASE(a_finished_instance_is_replaced) {
  const auto replaced = [&](runtime_status before) {
    BOOST_TEST_CONTEXT(to_string(before)) {
      BOOST_REQUIRE((status_of("a") == before));
      const execution_id execution = node.stored("a")->record.execution;
      const management_answer answer
        = ask(make_request("a", "Waits", "null", "Other", "1"));
      check(answer, true);
      BOOST_TEST(answer.execution != execution);
      BOOST_TEST((status_of("a") == runtime_status::running));
      BOOST_TEST(count("a", "ExecutionStarted") == 1U);
      BOOST_TEST(unread() == 1U);
    }
  };
  start_and_wait("a", "Give", "1");
  node.run_until_idle();
  replaced(runtime_status::completed);
  BOOST_REQUIRE(
    (ask(terminate_instance{"a", "why", false, "t"}).code == errc::ok));
  replaced(runtime_status::terminated);
  BOOST_REQUIRE(
    (ask(terminate_instance{"a", "why", false, "t2"}).code == errc::ok));
  start_and_wait("a", "Collect", "\"no number\"");
  node.run_until_idle();
  replaced(runtime_status::failed);
}

// As an ordinary start.
BOOST_AUTO_TEST_CASE(a_finished_instance_with_open_activities_is_kept) {
  node.holds_activity = [](const auto&) { return true; };
  start_and_wait("a", "Give", "1");
  BOOST_REQUIRE(
    (ask(terminate_instance{"a", "why", false, "t"}).code == errc::ok));
  const management_answer refused = ask(collect_one("1"));
  BOOST_TEST((refused.code == errc::already_exists));
  BOOST_TEST(refused.message
             == node.ask(start_request("a", "Collect", "1")).message);
  BOOST_TEST((status_of("a") == runtime_status::terminated));
  node.holds_activity = nullptr;
  node.run_until_idle();
  check(ask(collect_one("1")), true);
  BOOST_TEST(output_of("a") == "[1]");
}

BOOST_AUTO_TEST_CASE(an_unknown_orchestrator_is_refused_if_it_must_start) {
  start_or_raise request = make_request("a", "Nothing", "null", "Go", "1");
  BOOST_TEST((ask(request).code == errc::unknown_orchestrator));
  BOOST_TEST(!node.stored("a"));
  start_and_wait("a", "Waits");
  check(ask(request), false);
  BOOST_TEST(output_of("a") == "1");
}

BOOST_AUTO_TEST_CASE(a_paused_orchestrator_keeps_the_start_and_the_event) {
  ask(pause_orchestrator{"@pause/0", "Waits", true, "why"});
  const management_answer answer
    = node.ask(make_request("a", "Waits", "null", "Go", "1"));
  check(answer, true);
  BOOST_TEST((status_of("a") == runtime_status::pending));
  node.crash_and_recover();
  ask(pause_orchestrator{"@pause/0", "Waits", false, "why"});
  BOOST_TEST(output_of("a") == "1");
}

BOOST_AUTO_TEST_CASE(a_full_store_refuses_the_request) {
  node.journal().full = true;
  BOOST_TEST((ask(collect_one("1")).code == errc::storage_full));
  BOOST_TEST(!node.stored("a"));
  node.journal().full = false;
  check(ask(make_request("a", "Waits", "null", "Other", "1")), true);
  node.journal().full = true;
  BOOST_TEST((ask(collect_one("1")).code == errc::storage_full));
  BOOST_TEST(unread() == 1U);
}

BOOST_AUTO_TEST_CASE(a_full_buffer_refuses_the_event) {
  start_and_wait("a", "Waits");
  for (std::size_t i = 0; i < buffered_events_max; ++i)
    node.submit(raise_event{"a", "Other", "1", ""});
  node.run_until_idle();
  BOOST_TEST((ask(make_request("a", "Waits", "null", "Other", "1")).code
              == errc::limit_exceeded));
  BOOST_TEST(unread() == buffered_events_max);
}

// --- The race with the end --------------------------------------------------

// Setup: the request arrives while the last turn of the instance runs.
BOOST_AUTO_TEST_CASE(an_event_beside_the_last_turn_starts_anew) {
  start_and_wait("a", "Collect", "1");
  const execution_id before = node.stored("a")->record.execution;
  node.submit(raise_event{"a", "E", "1", "r"});
  process_messages();
  BOOST_REQUIRE(node.turns.size() == 1U);
  const ticket one = node.submit(make_request("a", "Collect", "2", "E", "2"));
  const ticket two = node.submit(make_request("a", "Collect", "2", "E", "3"));
  const ticket late = node.submit(raise_event{"a", "E", "4", "r2"});
  process_messages();
  finish_turn();
  node.run_until_idle();
  check(answer_of(one), true);
  check(answer_of(two), false);
  BOOST_TEST((code_of(late) == errc::already_finished));
  BOOST_TEST(node.stored("a")->record.execution != before);
  BOOST_TEST(output_of("a") == "[2,3]");
  node.check_at_rest();
}

// Setup: both events are in one batch, so the last turn receives the second one
// and does not consume it.
BOOST_AUTO_TEST_CASE(an_event_that_the_last_turn_leaves_starts_anew) {
  start_and_wait("a", "Collect", "1");
  const ticket one = node.submit(collect_one("1"));
  const ticket two = node.submit(collect_one("2", "start_or_raise/k"));
  const ticket again = node.submit(collect_one("2", "start_or_raise/k"));
  node.run_until_idle();
  BOOST_TEST(!answer_of(one).created);
  check(answer_of(two), true);
  check(answer_of(again), true);
  BOOST_TEST(output_of("a") == "[2]");
  node.check_at_rest();
}

// The first turn has received the event. A new instance would end without it
// as well.
BOOST_AUTO_TEST_CASE(an_instance_that_ignores_its_event_is_started_once) {
  const ticket one = node.submit(make_request("a", "Loop", "0", "E", "1"));
  node.run_until_idle();
  check(answer_of(one), true);
  BOOST_TEST((status_of("a") == runtime_status::completed));
  BOOST_TEST(turns() == 1U);
  // Each request starts an instance of its own, in order.
  std::vector<ticket> tickets;
  for (int i = 0; i < 5; ++i)
    tickets.push_back(
      node.submit(make_request("a", "Loop", "0", "E", std::to_string(i))));
  node.run_until_idle();
  for (const ticket each : tickets)
    BOOST_TEST(answer_of(each).created);
  BOOST_TEST(counters().starts == 6U);
}

BOOST_AUTO_TEST_CASE(an_event_before_a_termination_is_stored) {
  node.holds_activity = [](const auto&) { return true; };
  start_and_wait("a", "Give", "1");
  const ticket one = node.submit(collect_one("1"));
  const ticket ended = node.submit(terminate_instance{"a", "", false, "t"});
  const ticket two = node.submit(collect_one("2"));
  node.run_until_idle();
  // The event was stored before the instance was terminated.
  BOOST_TEST((code_of(one) == errc::ok));
  BOOST_TEST((code_of(ended) == errc::ok));
  BOOST_TEST((code_of(two) == errc::already_exists));
}

// The events pass from one execution to the next.
BOOST_AUTO_TEST_CASE(continue_as_new_keeps_the_events) {
  std::vector<ticket> tickets;
  for (int i = 1; i <= 4; ++i)
    tickets.push_back(
      node.submit(make_request("a", "AddKeep", "0", "Add", std::to_string(i))));
  node.run_until_idle();
  for (std::size_t i = 0; i < tickets.size(); ++i) {
    BOOST_TEST((code_of(tickets[i]) == errc::ok));
    BOOST_TEST(answer_of(tickets[i]).created == (i == 0));
  }
  BOOST_TEST((ask(raise_event{"a", "Stop", "null", "s"}).code == errc::ok));
  BOOST_TEST(output_of("a") == "10");
}

// --- Repeats ----------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_repeat_gets_the_first_answer) {
  const start_or_raise first
    = make_request("a", "Collect", "2", "E", "1", "start_or_raise/k1");
  const start_or_raise second
    = make_request("a", "Collect", "2", "E", "2", "start_or_raise/k2");
  const management_answer started = ask(first);
  check(started, true);
  const management_answer raised = ask(second);
  check(raised, false);
  BOOST_REQUIRE((status_of("a") == runtime_status::completed));
  for (const bool crashes : {false, true}) {
    if (crashes)
      node.crash_and_recover();
    const auto commits = node.commits();
    const management_answer one = ask(first);
    const management_answer two = ask(second);
    BOOST_TEST((one.code == errc::ok));
    BOOST_TEST(one.created);
    BOOST_TEST(one.execution == started.execution);
    BOOST_TEST((two.code == errc::ok));
    BOOST_TEST(!two.created);
    BOOST_TEST(two.execution == raised.execution);
    BOOST_TEST(node.commits() == commits);
  }
  BOOST_TEST(counters().starts == 0U); // since the crash
  BOOST_TEST(output_of("a") == "[1,2]");
}

BOOST_AUTO_TEST_CASE(a_key_with_another_content_is_refused) {
  const start_or_raise first = collect_one("1", "start_or_raise/k1");
  const auto refused = [&](auto change) {
    start_or_raise other = first;
    change(other);
    BOOST_TEST((ask(other).code == errc::request_id_reused));
  };
  const auto all = [&] {
    refused([](auto& x) { x.name = "Waits"; });
    refused([](auto& x) { x.version = "1"; });
    refused([](auto& x) { x.input = "2"; });
    refused([](auto& x) { x.event = "F"; });
    refused([](auto& x) { x.data = "2"; });
    refused([](auto& x) {
      x.event = "E1";
      x.data = "";
    });
  };
  const ticket one = node.submit(first);
  start_or_raise beside = first;
  beside.data = "2";
  const ticket two = node.submit(beside);
  node.run_until_idle();
  BOOST_TEST((code_of(one) == errc::ok));
  BOOST_TEST((code_of(two) == errc::request_id_reused));
  all();
  node.crash_and_recover();
  all();
  // A repeat may have another execution ID.
  start_or_raise again = first;
  again.execution = "another";
  BOOST_TEST((ask(again).code == errc::ok));
}

BOOST_AUTO_TEST_CASE(a_repeat_of_a_stored_event_stores_no_second_one) {
  start_and_wait("a", "Waits");
  const start_or_raise event
    = make_request("a", "Waits", "null", "Other", "1", "start_or_raise/k");
  const management_answer first = ask(event);
  check(first, false);
  for (int i = 0; i < 3; ++i) {
    const management_answer again = ask(event);
    BOOST_TEST((again.code == errc::ok));
    BOOST_TEST(again.execution == first.execution);
    BOOST_TEST(unread() == 1U);
    node.crash_and_recover();
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(start_or_raise_crashes)

// The process crashes at each point in turn. All requests are repeated until
// they are answered.
BOOST_AUTO_TEST_CASE(a_crash_at_any_point_loses_and_doubles_nothing) {
  bool has_crashed = true;
  unsigned reached = 0;
  for (unsigned at = 1; has_crashed; ++at) {
    unsigned points = 0;
    node_options options;
    options.crash = [&](crash_point) { return ++points == at; };
    start_or_raise_fixture fixture(options);
    std::vector<start_or_raise> requests;
    std::vector<deterministic_node::ticket> tickets;
    for (int i = 0; i < 4; ++i) {
      requests.push_back(make_request("a", "Collect", "4", "E",
                                      std::to_string(i),
                                      "start_or_raise/" + std::to_string(i)));
      tickets.push_back(fixture.node.submit(requests.back()));
      if (i % 2 == 1)
        fixture.node.run_until_idle();
    }
    has_crashed = points >= at;
    BOOST_TEST_CONTEXT("crash at point " << at) {
      std::vector<bool> created;
      for (const auto each : tickets) {
        BOOST_REQUIRE((fixture.code_of(each) == errc::ok));
        created.push_back(fixture.answer_of(each).created);
      }
      BOOST_TEST(std::count(created.begin(), created.end(), true) == 1);
      fixture.node.crash_and_recover();
      for (std::size_t i = 0; i < requests.size(); ++i)
        BOOST_TEST(fixture.ask(requests[i]).created == created[i]);
      BOOST_TEST(fixture.count("a", "ExecutionStarted") == 1U);
      BOOST_TEST(fixture.count("a", "EventRaised") == 4U);
      BOOST_TEST((fixture.status_of("a") == runtime_status::completed));
      fixture.node.check_at_rest();
    }
    BOOST_REQUIRE(at < 200);
    reached += has_crashed ? 1U : 0U;
  }
  BOOST_TEST(reached >= 4U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
