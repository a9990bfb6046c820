// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/rewind_samples.hpp"

// External events and rewinds: events that the code cannot read, and events
// that void turns have received.

using namespace std::chrono_literals;

namespace perdura::actors::test {

namespace {

task<std::string> approval_of(orchestration_context& ctx) {
  auto number = co_await ctx.wait_for_external_event<int>("Go");
  co_return "approved " + std::to_string(number);
}

} // namespace

BOOST_AUTO_TEST_SUITE(rewind_events)

// The wait is open again after the rewind, and the next event completes it.
BOOST_AUTO_TEST_CASE(malformed_event_can_be_replaced) {
  turn_driver run(registry_with(approval_of), "Ship");
  run.turn();
  run.raise("GO", "\"yes\"");
  run.turn();
  BOOST_TEST(run.failure().type == "payload_error");
  BOOST_TEST(run.last.causes.events.size() == 1U);
  run.rewind();
  run.turn();
  BOOST_TEST(run.waits.size() == 1U);
  BOOST_TEST(!run.has_ended());
  run.evict();
  run.raise("Go", "7");
  run.turn();
  BOOST_TEST(run.output() == "\"approved 7\"");
}

// The well-formed event has arrived before the rewind.
BOOST_AUTO_TEST_CASE(malformed_event_is_skipped) {
  turn_driver run(registry_with(approval_of), "Ship");
  run.turn();
  run.raise("Go", "\"yes\"");
  run.raise("Go", "7");
  run.turn();
  BOOST_TEST(!run.failure().message.empty());
  run.rewind();
  run.turn();
  BOOST_TEST(run.output() == "\"approved 7\"");
}

BOOST_AUTO_TEST_CASE(code_can_catch_a_malformed_event_and_wait_again) {
  orchestrator_function f
    = [](orchestration_context& ctx) -> task<std::string> {
    for (;;) {
      auto got = co_await ctx.wait_for_external_event<int>("Go").as_outcome();
      if (got)
        co_return std::to_string(*got);
    }
  };
  turn_driver run(registry_with(f), "Ship");
  run.turn();
  run.raise("Go", "\"yes\"");
  run.turn();
  BOOST_TEST(run.waits.size() == 1U);
  run.raise("Go", "7");
  run.turn();
  BOOST_TEST(run.output() == "\"7\"");
}

// The second of three events is malformed, and is read only when a later
// activity has ended. The wait has a time-out, whose timer was cancelled.
BOOST_AUTO_TEST_CASE(malformed_event_of_an_earlier_turn_is_replaced) {
  orchestrator_function f
    = [](orchestration_context& ctx) -> task<std::string> {
    auto a = ctx.wait_for_external_event<int>("Go", 1h);
    auto b = ctx.wait_for_external_event<int>("Go", 2h);
    auto c = ctx.wait_for_external_event<int>("Go", 3h);
    co_await ctx.call_activity("Work");
    auto x = co_await a;
    auto y = co_await b;
    auto z = co_await c;
    co_return std::to_string(x.value_or(0)) + std::to_string(y.value_or(0))
      + std::to_string(z.value_or(0));
  };
  turn_driver run(registry_with(f), "Ship");
  run.turn();
  run.raise("Go", "1");
  run.turn();
  run.raise("go", "\"2\"");
  run.turn();
  run.raise("Go", "3");
  run.turn();
  BOOST_TEST(run.waits.empty());
  run.complete(4);
  run.turn();
  BOOST_TEST(run.failure().type == "payload_error");
  run.rewind();
  run.turn();
  // The third event has moved to the second wait; the third wait is open.
  BOOST_TEST(run.decisions_text() == "");
  BOOST_TEST(run.waits.size() == 1U);
  BOOST_TEST(run.waits.contains(wait_sequence_first + 2));
  BOOST_TEST(run.open.size() == 1U);
  BOOST_TEST(run.open.contains(3)); // its time-out
  run.evict();
  run.raise("Go", "5");
  run.turn();
  BOOST_TEST(run.output() == "\"135\"");
}

// The malformed event has arrived before the first turn, which is void then.
BOOST_AUTO_TEST_CASE(malformed_event_of_the_first_turn_is_replaced) {
  orchestrator_function f
    = [](orchestration_context& ctx) -> task<std::string> {
    auto name = co_await ctx.wait_for_external_event<std::string>("Name");
    auto number = co_await ctx.wait_for_external_event<int>("Go");
    co_return name + std::to_string(number);
  };
  turn_driver run(registry_with(f), "Ship");
  run.raise("Go", "\"yes\"");
  run.raise("Name", "\"n\"");
  run.turn();
  BOOST_TEST(run.failure().type == "payload_error");
  run.rewind();
  BOOST_TEST(run.last_rewind().turn_first == 1U);
  run.turn();
  BOOST_TEST(run.waits.size() == 1U);
  run.evict();
  run.raise("Go", "7");
  run.turn();
  BOOST_TEST(run.output() == "\"n7\"");
}

// Two malformed events in a row; each rewind makes one void.
BOOST_AUTO_TEST_CASE(each_malformed_event_can_be_replaced) {
  turn_driver run(registry_with(approval_of), "Ship");
  run.turn();
  for (int i = 0; i < 2; ++i) {
    run.raise("Go", "\"yes\"");
    run.turn();
    BOOST_TEST(!run.failure().message.empty());
    run.rewind();
    run.turn();
    BOOST_TEST(run.waits.size() == 1U);
  }
  run.raise("Go", "7");
  run.turn();
  BOOST_TEST(run.output() == "\"approved 7\"");
}

// The approval of a void turn is received again before the code waits for it.
BOOST_AUTO_TEST_CASE(event_of_a_void_turn_is_received_again) {
  orchestrator_function f
    = [](orchestration_context& ctx) -> task<std::string> {
    auto work = ctx.call_activity<std::string>("Work");
    co_await when_any(work);
    co_await ctx.call_activity("Ask");
    auto first = co_await ctx.wait_for_external_event<int>("Go");
    auto second = co_await ctx.wait_for_external_event<int>("Go");
    co_return std::to_string(first) + std::to_string(second) + co_await work;
  };
  turn_driver run(registry_with(f), "Ship");
  run.turn();
  run.fail(1);
  run.turn();
  run.complete(2);
  run.turn();
  run.raise("Go", "1");
  run.turn();
  run.raise("Go", "2");
  run.raise("Go", "3"); // nothing waits for this event
  run.turn();
  BOOST_TEST((run.last.causes.tasks == sequences({1})));
  BOOST_TEST(run.inbox.size() == 1U);
  run.rewind();
  run.turn();
  BOOST_TEST(run.waits.empty());
  run.evict();
  run.complete(3, "\"w\"");
  run.turn();
  BOOST_TEST(run.output() == "\"12w\"");
  BOOST_TEST(run.inbox.size() == 1U);
}

// After the rewind the code continues as new: the events that it does not read
// are carried over, in order and once.
BOOST_AUTO_TEST_CASE(events_of_void_turns_are_carried_over) {
  orchestrator_function f
    = [](orchestration_context& ctx) -> task<std::string> {
    auto work = co_await ctx.call_activity<std::string>("Work").as_outcome();
    if (work) {
      ctx.continue_as_new(1);
      co_return "";
    }
    co_await ctx.wait_for_external_event<int>("Go");
    co_return work.value();
  };
  turn_driver run(registry_with(f), "Ship");
  run.turn();
  run.fail(1);
  run.turn();
  run.raise("Go", "1");
  run.raise("Go", "2");
  run.turn();
  BOOST_TEST(run.inbox.size() == 1U);
  run.rewind();
  run.turn();
  run.complete(2, "\"\"");
  run.turn();
  BOOST_TEST_REQUIRE(run.continued().carried.size() == 1U);
  BOOST_TEST(std::get<event_raised>(run.continued().carried[0].body).input
             == "1");
  BOOST_TEST(run.inbox.size() == 1U);
}

// A void turn has opened other waits than the new run; the partition keeps only
// those of the new run.
BOOST_AUTO_TEST_CASE(waits_of_void_turns_are_replaced) {
  orchestrator_function f
    = [](orchestration_context& ctx) -> task<std::string> {
    auto work = co_await ctx.call_activity<std::string>("Work").as_outcome();
    if (!work) {
      std::ignore = ctx.wait_for_external_event("Repair");
      co_await ctx.call_activity("Call");
      co_return work.value();
    }
    auto go = co_await ctx.wait_for_external_event<std::string>("Go");
    co_return go;
  };
  turn_driver run(registry_with(f), "Ship");
  run.turn();
  run.fail(1);
  run.turn();
  BOOST_TEST(run.waits.at(wait_sequence_first) == "Repair");
  run.complete(2);
  run.turn();
  run.rewind();
  run.complete(3, "\"\"");
  run.turn();
  BOOST_TEST(run.waits.size() == 1U);
  BOOST_TEST(run.waits.at(wait_sequence_first) == "Go");
  run.raise("Go", "\"g\"");
  run.turn();
  BOOST_TEST(run.output() == "\"g\"");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors::test
