// SPDX-License-Identifier: Apache-2.0
#include "actors/execution/replay.hpp"
#include "tests/actors/rewind_samples.hpp"

// Comparison of the decisions of the code with the recorded history.

using namespace std::chrono_literals;

namespace perdura::actors::test {

using persistence::errc;
using persistence::execution_resumed;
using persistence::execution_suspended;

BOOST_AUTO_TEST_SUITE(nondeterminism)

// Setup: a history of two turns. Each code variant differs from this history in
// one place. The instance is held, and the reason describes that place.
BOOST_AUTO_TEST_CASE(mismatch_names_the_recorded_and_requested_decision) {
  turn_driver run(registry_with(two_steps), "Ship");
  run.turn();
  run.complete(1, "\"a\"");
  run.turn();
  BOOST_TEST(run.decisions_text() == "activity:Charge#2");
  // Events of the history: 0 ExecutionStarted, 1 OrchestratorStarted,
  // 2 TaskScheduled Pack, 3 OrchestratorCompleted, 4 OrchestratorStarted,
  // 5 TaskCompleted, 6 TaskScheduled Charge, 7 OrchestratorCompleted.
  auto held = [&](orchestrator_function f) {
    return run.reason_held(registry_with(f));
  };
  BOOST_TEST(held([](orchestration_context& ctx) -> task<std::string> {
               co_await ctx.call_activity("Pack");
               co_await ctx.create_timer(30s);
               co_return "";
             })
             == "event 6 of \"order-17\" scheduled activity Charge; the code "
                "now asks for a timer of 30 s");
  BOOST_TEST(held([](orchestration_context& ctx) -> task<std::string> {
               co_return co_await ctx.call_activity<std::string>("Wrap");
             })
             == "event 2 of \"order-17\" scheduled activity Pack; the code "
                "now asks for activity Wrap");
  BOOST_TEST(held([](orchestration_context& ctx) -> task<std::string> {
               co_await ctx.call_activity("Pack");
               co_await ctx.call_sub_orchestration("Charge");
               co_return "";
             })
             == "event 6 of \"order-17\" scheduled activity Charge; the code "
                "now asks for sub-orchestration Charge "
                "(\"00112233445566778899aabbccddeeff:2\")");
  BOOST_TEST(held([](orchestration_context& ctx) -> task<std::string> {
               co_await ctx.call_activity("Pack");
               co_await ctx.wait_for_external_event("Go");
               co_return "";
             })
             == "event 6 of \"order-17\" scheduled activity Charge; the code "
                "now asks for nothing");
  BOOST_TEST(held([](orchestration_context& ctx) -> task<std::string> {
               co_return co_await ctx.call_activity<std::string>("Pack");
             })
             == "event 6 of \"order-17\" scheduled activity Charge; the code "
                "now ends");
  BOOST_TEST(held([](orchestration_context& ctx) -> task<std::string> {
               co_await ctx.call_activity("Pack");
               throw std::runtime_error("boom");
             })
             == "event 6 of \"order-17\" scheduled activity Charge; the code "
                "now ends (std::runtime_error: boom)");
  BOOST_TEST(held([](orchestration_context& ctx) -> task<std::string> {
               co_await ctx.call_activity("Pack");
               ctx.continue_as_new();
               co_return "";
             })
             == "event 6 of \"order-17\" scheduled activity Charge; the code "
                "now continues as new");
  BOOST_TEST(held([](orchestration_context& ctx) -> task<std::string> {
               co_await ctx.call_activity("Pack");
               auto charge = ctx.call_activity("Charge");
               ctx.send_event("b", "Paid");
               co_await charge;
               co_return "";
             })
             == "the turn that ends at event 7 of \"order-17\" requested "
                "nothing more; the code now asks for event Paid for \"b\"");
  BOOST_TEST(held(two_steps) == "not held");
}

// The code ends where the history waits, waits where the history completed, or
// fails where the history completed.
BOOST_AUTO_TEST_CASE(different_end_is_a_mismatch) {
  turn_driver run(
    registry_with([](orchestration_context& ctx) -> task<std::string> {
      co_await ctx.wait_for_external_event("Go");
      co_return "";
    }),
    "Ship");
  run.turn();
  auto at_once = registry_with(
    [](orchestration_context&) -> task<std::string> { co_return ""; });
  BOOST_TEST(run.reason_held(at_once)
             == "at event 2 of \"order-17\" the orchestration waited; the code "
                "now ends");
  run.raise("Go");
  run.turn();
  BOOST_TEST(run.output() == "\"\"");
  auto twice
    = registry_with([](orchestration_context& ctx) -> task<std::string> {
        co_await ctx.wait_for_external_event("Go");
        co_await ctx.wait_for_external_event("Go");
        co_return "";
      });
  BOOST_TEST(run.reason_held(twice)
             == "event 5 of \"order-17\" completed the execution; the code now "
                "still waits");
  auto fails
    = registry_with([](orchestration_context& ctx) -> task<std::string> {
        co_await ctx.wait_for_external_event("Go");
        throw std::runtime_error("x");
      });
  BOOST_TEST(run.reason_held(fails)
             == "event 5 of \"order-17\" completed the execution; the code now "
                "ends (std::runtime_error: x)");
}

// The instance ID of the target is part of the decision.
BOOST_AUTO_TEST_CASE(children_and_sent_events_are_compared_by_target) {
  turn_driver run(
    registry_with([](orchestration_context& ctx) -> task<std::string> {
      ctx.send_event("a", "Go");
      co_await ctx.call_sub_orchestration("Child", nullptr,
                                          {.instance_id = "c1"});
      co_return "";
    }),
    "Ship");
  run.turn();
  BOOST_TEST(run.reason_held(registry_with(
               [](orchestration_context& ctx) -> task<std::string> {
                 ctx.send_event("b", "Go");
                 co_return "";
               }))
             == "event 2 of \"order-17\" sent event Go for \"a\"; the code now "
                "asks for event Go for \"b\"");
  BOOST_TEST(run.reason_held(registry_with(
               [](orchestration_context& ctx) -> task<std::string> {
                 ctx.send_event("a", "Go");
                 co_await ctx.call_sub_orchestration("Child", nullptr,
                                                     {.instance_id = "c2"});
                 co_return "";
               }))
             == "event 3 of \"order-17\" started sub-orchestration Child "
                "(\"c1\"); the code now asks for sub-orchestration Child "
                "(\"c2\")");
}

// A replay does not compare inputs of activities and fire times of timers: code
// may compute them anew.
BOOST_AUTO_TEST_CASE(changed_inputs_and_times_are_no_mismatch) {
  turn_driver run(
    registry_with([](orchestration_context& ctx) -> task<std::string> {
      auto timer = ctx.create_timer(5s);
      co_await ctx.call_activity("A", 1);
      co_await timer;
      co_return "";
    }),
    "Ship");
  run.turn();
  BOOST_TEST(run.reason_held(registry_with(
               [](orchestration_context& ctx) -> task<std::string> {
                 auto timer = ctx.create_timer(9h);
                 co_await ctx.call_activity("A", "text");
                 co_await timer;
                 co_return "";
               }))
             == "not held");
}

// The reason names the orchestrator, and its version if there is one.
BOOST_AUTO_TEST_CASE(missing_orchestrator_holds_the_instance) {
  turn_driver run(registry_with(two_steps), "Ship");
  run.turn();
  turn_outcome outcome = run.replay(std::make_shared<registry>());
  auto& held = std::get<held_result>(outcome.result);
  BOOST_TEST((held.reason.code == errc::unknown_orchestrator));
  BOOST_TEST(held.reason.message
             == "instance \"order-17\" runs orchestrator Ship, which this node "
                "does not have; the instance continues when a program that "
                "registers it is started");
  auto r = registry_with(two_steps);
  r->add_orchestrator("Ship", two_steps, {.version = "2"});
  turn_driver two(r, "Ship", "null", "2");
  two.turn();
  BOOST_TEST(
    two.reason_held(registry_with(two_steps))
      .starts_with(
        "instance \"order-17\" runs orchestrator Ship version 2, which"));
}

// Setup: other code is deployed while the instance waits; the next turn is
// held. The original code then continues.
BOOST_AUTO_TEST_CASE(held_instance_continues_when_matching_code_returns) {
  turn_driver run(registry_with(two_steps), "Ship");
  run.turn();
  run.complete(1, "\"a\"");
  run.deploy(registry_with(retried));
  run.turn();
  BOOST_TEST(run.has_ended()); // the turn is held
  run.last = {};
  run.deploy(registry_with(two_steps));
  run.turn();
  BOOST_TEST(run.decisions_text() == "activity:Charge#2");
}

// Suspended and resumed events in the history are no decisions of the code.
BOOST_AUTO_TEST_CASE(replay_skips_suspensions_between_turns) {
  turn_driver run(registry_with(two_steps), "Ship");
  run.turn();
  run.history.push_back({run.now, execution_suspended{"\"lunch\""}});
  run.history.push_back({run.now, execution_resumed{"\"back\""}});
  run.complete(1, "\"a\"");
  run.evict();
  run.turn();
  run.complete(2, "\"b\"");
  run.evict();
  run.turn();
  BOOST_TEST(run.output() == "\"ab\"");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors::test
