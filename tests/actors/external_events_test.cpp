// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/single_orchestrator.hpp"

#include <stdexcept>

// External events: waits, buffering, and the events that continue_as_new
// carries over.

using namespace std::chrono_literals;

namespace perdura::actors::test {

BOOST_AUTO_TEST_SUITE(external_events)

// The code opens two waits whose names differ only in case. The first event
// completes the wait that was opened first, although the code awaits the second
// wait first.
BOOST_AUTO_TEST_CASE(event_completes_the_oldest_wait_of_its_name) {
  turn_driver run(
    registry_with([](orchestration_context& ctx) -> task<std::string> {
      auto a = ctx.wait_for_external_event<std::string>("Go");
      auto b = ctx.wait_for_external_event<std::string>("go");
      auto x = co_await b;
      co_return x + co_await a;
    }),
    "Ship");
  run.turn();
  BOOST_TEST(run.last.waits_opened.size() == 2U);
  BOOST_TEST(run.last.waits_opened[0].sequence == wait_1);
  BOOST_TEST(run.last.waits_opened[1].name == "go");
  BOOST_TEST(run.last.next_sequence == 1U); // a wait uses no task number
  run.raise("GO", "\"1\"");
  run.turn();
  BOOST_TEST((run.last.waits_closed == sequences({wait_1})));
  run.raise("gO", "\"2\"");
  run.turn();
  BOOST_TEST((run.last.waits_closed == sequences({wait_2})));
  BOOST_TEST(run.output() == "\"21\"");
}

// "Ä" and "ä" are different letters in event names.
BOOST_AUTO_TEST_CASE(event_names_ignore_ascii_case_only) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<void> {
                    co_await ctx.wait_for_external_event("\xC3\x84 go"); // Ä
                  }),
                  "Ship");
  run.turn();
  run.raise("\xC3\xA4 go"); // ä
  run.turn();
  BOOST_TEST(!run.has_ended());
  run.raise("\xC3\x84 GO");
  run.turn();
  BOOST_TEST(run.output() == "null");
}

// Setup: two events arrive before the code waits for them, and the coroutine
// is evicted. The wait that is opened later receives the first event at once.
BOOST_AUTO_TEST_CASE(event_without_a_wait_stays_in_the_inbox) {
  turn_driver run(
    registry_with([](orchestration_context& ctx) -> task<std::string> {
      co_await ctx.create_timer(1s);
      auto wait = ctx.wait_for_external_event<std::string>("Go");
      const bool there = wait.is_completed();
      std::string word = co_await wait;
      co_return word + (there ? " at once" : "");
    }),
    "Ship");
  run.turn();
  run.raise("Go", "\"1\"");
  run.raise("Go", "\"2\"");
  run.turn();
  BOOST_TEST(run.last.consumed.empty());
  BOOST_TEST(run.inbox.size() == 2U);
  run.evict();
  run.fire_timer(1);
  run.turn();
  BOOST_TEST(run.output() == "\"1 at once\"");
  // Messages are consumed in the order of their arrival: event, then timer.
  BOOST_TEST((run.last.consumed == std::vector<inbox_sequence>{1, 3}));
  BOOST_TEST(run.last.waits_opened.empty());
  BOOST_TEST(run.last.waits_closed.empty());
}

// The event arrives before the code waits for it with a time-out. The wait is
// completed at once, and no timer is created.
BOOST_AUTO_TEST_CASE(event_before_the_first_turn_completes_the_wait) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<int> {
                    auto x
                      = co_await ctx.wait_for_external_event<int>("Go", 1h);
                    co_return x.value_or(0);
                  }),
                  "Ship");
  run.raise("Go", "5");
  run.turn();
  BOOST_TEST(run.output() == "5");
  BOOST_TEST(run.decisions_text() == ""); // no timer
}

// An event that arrives after a wait was cancelled goes to the next wait.
BOOST_AUTO_TEST_CASE(cancelled_wait_consumes_no_event) {
  turn_driver run(
    registry_with([](orchestration_context& ctx) -> task<std::string> {
      auto first = ctx.wait_for_external_event("Go");
      co_await ctx.create_timer(1s);
      first.cancel();
      co_return co_await ctx.wait_for_external_event<std::string>("Go");
    }),
    "Ship");
  run.turn();
  run.fire_timer(1);
  run.turn();
  BOOST_TEST((run.last.waits_closed == sequences({wait_1})));
  BOOST_TEST(run.last.waits_opened.size() == 1U);
  run.raise("Go", "\"x\"");
  run.turn();
  BOOST_TEST(run.output() == "\"x\"");
}

// Awaiting a cancelled timer throws task_cancelled; otherwise the instance
// would wait for ever.
BOOST_AUTO_TEST_CASE(awaiting_a_cancelled_timer_throws) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<void> {
                    auto timer = ctx.create_timer(1h);
                    timer.cancel();
                    co_await timer;
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(run.failure().type == "task_cancelled");
  BOOST_TEST(run.decisions_text() == "timer#1");
  BOOST_TEST((run.last.timers_cancelled == sequences({1})));
}

// The timer of a wait is cancelled when the event arrives. If the timer
// fires before it is cancelled, but its message arrives afterwards, the message
// is consumed without effect.
BOOST_AUTO_TEST_CASE(wait_with_a_time_out_cancels_its_timer) {
  auto functions
    = registry_with([](orchestration_context& ctx) -> task<std::string> {
        auto x = co_await ctx.wait_for_external_event<std::string>("Go", 1h);
        const bool y = co_await ctx.wait_for_external_event("Stop", 2h);
        co_return x.value_or("none") + (y ? " stopped" : " not stopped");
      });
  turn_driver run(functions, "Ship");
  run.turn();
  BOOST_TEST(run.decisions_text() == "timer#1");
  run.raise("Go", "\"x\"");
  run.turn();
  BOOST_TEST((run.last.timers_cancelled == sequences({1})));
  BOOST_TEST(run.decisions_text() == "timer#2");
  run.deliver(timer_fired{1, run.now + 1h}); // arrives too late
  run.turn();
  BOOST_TEST(!run.has_ended());
  BOOST_TEST(run.last.consumed.size() == 1U);
  run.fire_timer(2);
  run.turn();
  BOOST_TEST((run.last.waits_closed == sequences({wait_2})));
  BOOST_TEST(run.output() == "\"x not stopped\"");
}

// A payload of JSON null completes the wait, unlike a time-out.
BOOST_AUTO_TEST_CASE(null_event_is_not_a_time_out) {
  turn_driver run(
    registry_with([](orchestration_context& ctx) -> task<std::string> {
      auto x = co_await ctx.wait_for_external_event<json>("Go", 1h);
      co_return x ? "event" : "time-out";
    }),
    "Ship");
  run.turn();
  run.raise("Go");
  run.turn();
  BOOST_TEST(run.output() == "\"event\"");
}

// The failure names the event and says which type was expected.
BOOST_AUTO_TEST_CASE(event_data_of_another_type_throws) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<int> {
                    co_return co_await ctx.wait_for_external_event<int>("Go");
                  }),
                  "Ship");
  run.turn();
  run.raise("Go", "\"x\"");
  run.turn();
  BOOST_TEST(run.failure().message
             == "the data of event Go does not fit its type: type must be "
                "number, but is string");
}

// Setup: results arrive for tasks that do not exist or have another kind, and a
// result arrives after the end of the instance. All results are consumed; only
// the event stays in the inbox.
BOOST_AUTO_TEST_CASE(unexpected_results_are_consumed_and_ignored) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<void> {
                    co_await ctx.create_timer(1s);
                  }),
                  "Ship");
  run.turn();
  run.deliver(task_completed{7, "1"});
  run.deliver(persistence::task_failed{1, {"x", "of a timer?"}});
  run.deliver(sub_orchestration_instance_completed{1, "1"});
  run.deliver(timer_fired{9, {}});
  run.turn();
  BOOST_TEST(run.last.consumed.size() == 4U);
  BOOST_TEST(!run.has_ended());
  run.complete(8);
  run.fire_timer(1);
  run.complete(9); // after the end
  run.raise("Late");
  run.turn();
  BOOST_TEST(run.output() == "null");
  BOOST_TEST(run.last.consumed.size() == 3U);
  BOOST_TEST(run.inbox.size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(continue_as_new_suite)

// Setup: the waits a, b and c have each received an event, but the code takes
// only the event of c before it calls continue_as_new. The events of a and b
// are carried over with their original times; an event without a wait stays in
// the inbox.
BOOST_AUTO_TEST_CASE(bound_but_unawaited_events_are_carried_over) {
  auto functions = registry_with([](orchestration_context& ctx) -> task<void> {
    auto a = ctx.wait_for_external_event<int>("A");
    auto b = ctx.wait_for_external_event<int>("B");
    auto c = ctx.wait_for_external_event<int>("C");
    co_await when_any(a, b, c);
    co_await c;
    ctx.continue_as_new(json{{"n", 1}});
  });
  turn_driver run(functions, "Ship");
  run.turn();
  run.raise("b", "2");
  run.turn();
  run.now += 5s;
  run.raise("A", "1");
  run.raise("a", "11");
  run.raise("C", "3");
  run.turn();
  const continued_result& next = run.continued();
  BOOST_TEST(next.input == R"({"n":1})");
  BOOST_TEST(next.keep_events);
  BOOST_TEST_REQUIRE(next.carried.size() == 2U);
  // The events are carried over in the order in which they were raised.
  BOOST_TEST(
    (next.carried[0] == history_event{start_time, event_raised{"b", "2"}}));
  BOOST_TEST((next.carried[1]
              == history_event{start_time + 5s, event_raised{"A", "1"}}));
  BOOST_TEST(run.inbox.size() == 1U); // the second "a" has no wait
}

// If the second argument of continue_as_new is false, events that a wait has
// received but the code has not taken are dropped.
BOOST_AUTO_TEST_CASE(unprocessed_events_can_be_dropped) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<int> {
                    auto a = ctx.wait_for_external_event<int>("A");
                    co_await when_any(a);
                    ctx.continue_as_new(1, false);
                    co_return {};
                  }),
                  "Ship");
  run.turn();
  run.raise("A", "1");
  run.turn();
  BOOST_TEST(!run.continued().keep_events);
  BOOST_TEST(run.continued().carried.empty());
}

// The code requests continue_as_new, waits, and then throws: the instance
// fails.
BOOST_AUTO_TEST_CASE(continue_as_new_takes_effect_only_on_return) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<int> {
                    ctx.continue_as_new(1);
                    co_await ctx.create_timer(1s);
                    throw std::runtime_error("after all");
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(!run.has_ended());
  run.fire_timer(1);
  run.turn();
  BOOST_TEST(run.failure().message == "after all");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors::test
