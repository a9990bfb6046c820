// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/rewind_samples.hpp"

// Rewind of a failed instance that continues with fixed code.

using namespace std::chrono_literals;

namespace perdura::actors::test {

BOOST_AUTO_TEST_SUITE(rewind_with_new_code)

// The code throws after scheduling two activities. One of them ends before the
// rewind. The fixed code requests the same activities and receives their
// results.
BOOST_AUTO_TEST_CASE(new_code_continues_after_a_throw) {
  turn_driver run(registry_with(buggy), "Ship");
  run.turn();
  run.complete(1, "\"a\"");
  run.turn();
  BOOST_TEST(run.failure().message == "a bug");
  BOOST_TEST(run.decisions_text() == "activity:Charge#2 activity:Send#3");
  run.complete(3, "\"c\""); // Send ends while the instance is Failed
  run.deploy(registry_with(fixed));
  run.rewind();
  run.turn();
  BOOST_TEST(run.decisions_text() == ""); // both tasks exist already
  BOOST_TEST(run.last.orphans.empty());
  BOOST_TEST(run.last.consumed.size() == 1U);
  run.complete(2, "\"b\"");
  run.turn();
  BOOST_TEST(run.output() == "\"abc\"");
}

// The fixed code no longer calls Send. Its task is reported as an orphan, and
// its late result has no effect.
BOOST_AUTO_TEST_CASE(task_not_requested_by_new_code_is_an_orphan) {
  turn_driver run(registry_with(buggy), "Ship");
  run.turn();
  run.complete(1, "\"a\"");
  run.turn();
  run.deploy(registry_with(fixed_differently));
  run.rewind();
  run.turn();
  BOOST_TEST(run.decisions_text() == "");
  BOOST_TEST((run.last.orphans == sequences({3})));
  run.complete(2, "\"b\"");
  run.complete(3, "\"late\""); // the result of the orphan
  run.turn();
  BOOST_TEST(run.last.consumed.size() == 2U);
  BOOST_TEST(run.decisions_text() == "activity:Mail#4");
  run.complete(4, "\"d\"");
  run.turn();
  BOOST_TEST(run.output() == "\"abd\"");
}

// The first turn throws after scheduling Pack. The new code continues with the
// result of Pack.
BOOST_AUTO_TEST_CASE(first_turn_can_run_again) {
  orchestrator_function bad
    = [](orchestration_context& ctx) -> task<std::string> {
    std::ignore = ctx.call_activity<std::string>("Pack");
    throw std::runtime_error("bad");
    co_return "";
  };
  turn_driver run(registry_with(bad), "Ship");
  run.turn();
  BOOST_TEST(run.has_ended());
  run.complete(1, "\"a\"");
  run.deploy(registry_with(two_steps));
  run.rewind();
  run.turn();
  BOOST_TEST(run.decisions_text() == "activity:Charge#2");
  run.complete(2, "\"b\"");
  run.turn();
  BOOST_TEST(run.output() == "\"ab\"");
}

// The input does not match the parameter type. New code with a wider type
// completes after a rewind.
BOOST_AUTO_TEST_CASE(input_type_error_can_be_fixed_by_new_code) {
  auto narrow = std::make_shared<registry>();
  narrow->add_orchestrator(
    "Ship", [](orchestration_context&, int in) -> task<int> { co_return in; });
  turn_driver run(narrow, "Ship", "\"text\"");
  run.turn();
  BOOST_TEST(run.failure().type == "payload_error");
  BOOST_TEST(run.failure().message
             == "the input of orchestrator Ship does not fit its type: type "
                "must be number, but is string");
  auto wide = std::make_shared<registry>();
  wide->add_orchestrator(
    "Ship",
    [](orchestration_context&, json in) -> task<json> { co_return in; });
  run.deploy(wide);
  run.rewind();
  run.turn();
  BOOST_TEST(run.output() == "\"text\"");
}

// The fixed code also calls C. The sequence of C follows the sequences of the
// failed turn.
BOOST_AUTO_TEST_CASE(rewound_turn_numbers_new_decisions_after_the_old_ones) {
  orchestrator_function f
    = [](orchestration_context& ctx) -> task<std::string> {
    auto a = co_await ctx.call_activity<std::string>("A");
    auto b = ctx.call_activity<std::string>("B");
    auto c = ctx.call_activity<std::string>("C");
    auto x = co_await b;
    co_return a + x + co_await c;
  };
  orchestrator_function f1
    = [](orchestration_context& ctx) -> task<std::string> {
    auto a = co_await ctx.call_activity<std::string>("A");
    std::ignore = ctx.call_activity<std::string>("B");
    throw 7;
    co_return a;
  };
  turn_driver run(registry_with(f1), "Ship");
  run.turn();
  run.complete(1, "\"a\"");
  run.turn();
  BOOST_TEST(run.failure().type == "int");
  BOOST_TEST(run.failure().message == "unknown exception");
  run.deploy(registry_with(f));
  run.rewind();
  run.turn();
  BOOST_TEST(run.decisions_text() == "activity:C#3");
  run.complete(3, "\"c\"");
  run.evict();
  run.turn();
  run.complete(2, "\"b\"");
  run.turn();
  BOOST_TEST(run.output() == "\"abc\"");
}

// The instance has failed by throwing; afterwards a task of the failed turn
// fails too. The rewind repeats that task.
BOOST_AUTO_TEST_CASE(task_failing_in_a_failed_instance_runs_again) {
  turn_driver run(registry_with(buggy), "Ship");
  run.turn();
  run.complete(1, "\"a\"");
  run.turn(); // schedules tasks 2 and 3 and throws
  run.fail(3);
  run.deploy(registry_with(fixed));
  // The rewind schedules task 3 again as task 4. The code has not requested it
  // again at this time.
  run.rewind();
  run.turn();
  BOOST_TEST(run.decisions_text() == "");
  BOOST_TEST(run.last.consumed.empty());
  run.complete(4, "\"c\"");
  run.turn();
  run.complete(2, "\"b\"");
  run.turn();
  BOOST_TEST(run.output() == "\"abc\"");
}

BOOST_AUTO_TEST_CASE(turn_that_diverged_and_failed_again_keeps_its_tasks) {
  // The first code requests Charge and Send, the second code requests Charge
  // and Mail; both throw. The last code requests the tasks of the second code
  // or those of the first code. All these tasks still exist, so no task is
  // scheduled again.
  orchestrator_function second
    = [](orchestration_context& ctx) -> task<std::string> {
    auto a = co_await ctx.call_activity<std::string>("Pack");
    std::ignore = ctx.call_activity<std::string>("Charge", a);
    std::ignore = ctx.call_activity<std::string>("Mail", a);
    throw std::logic_error("another bug");
    co_return a;
  };
  orchestrator_function as_second
    = [](orchestration_context& ctx) -> task<std::string> {
    auto a = co_await ctx.call_activity<std::string>("Pack");
    auto b = ctx.call_activity<std::string>("Charge", a);
    auto c = ctx.call_activity<std::string>("Mail", a);
    auto [x, y] = co_await when_all(b, c);
    co_return a + x + y;
  };
  for (orchestrator_function last : {as_second, orchestrator_function(fixed)}) {
    const bool mails = last == as_second;
    turn_driver run(registry_with(buggy), "Ship");
    run.turn();
    run.complete(1, "\"a\"");
    run.turn();
    BOOST_TEST(run.decisions_text() == "activity:Charge#2 activity:Send#3");
    run.deploy(registry_with(second));
    run.rewind();
    run.turn();
    BOOST_TEST(run.decisions_text() == "activity:Mail#4");
    BOOST_TEST((run.last.orphans == sequences({3})));
    run.deploy(registry_with(last));
    run.rewind();
    run.turn();
    BOOST_TEST(run.decisions_text() == "");
    BOOST_TEST((run.last.orphans == sequences({mails ? 3U : 4U})));
    run.complete(2, "\"b\"");
    run.turn();
    run.complete(mails ? 4 : 3, "\"c\"");
    run.turn();
    BOOST_TEST(run.output() == "\"abc\"");
  }
}

// The turn that received the event threw; after the rewind the new code
// receives the event again.
BOOST_AUTO_TEST_CASE(event_of_the_failed_turn_is_delivered_again) {
  orchestrator_function f
    = [](orchestration_context& ctx) -> task<std::string> {
    auto data = co_await ctx.wait_for_external_event<std::string>("Go");
    auto b = ctx.call_activity<std::string>("B");
    co_return data + co_await b;
  };
  orchestrator_function f1
    = [](orchestration_context& ctx) -> task<std::string> {
    auto data = co_await ctx.wait_for_external_event<std::string>("Go");
    throw std::runtime_error(data);
    co_return data;
  };
  turn_driver run(registry_with(f1), "Ship");
  run.turn();
  run.raise("GO", "\"now\"");
  run.turn();
  BOOST_TEST(run.failure().message == "now");
  run.deploy(registry_with(f));
  run.rewind();
  run.turn();
  BOOST_TEST(run.decisions_text() == "activity:B#1");
  run.complete(1, "\"!\"");
  run.turn();
  BOOST_TEST(run.output() == "\"now!\"");
}

// The new code continues as new instead of awaiting the event, so the event is
// carried over.
BOOST_AUTO_TEST_CASE(event_not_awaited_by_new_code_is_not_lost) {
  orchestrator_function wants
    = [](orchestration_context& ctx) -> task<std::string> {
    co_await ctx.wait_for_external_event("Go");
    throw std::runtime_error("x");
    co_return "";
  };
  orchestrator_function continues
    = [](orchestration_context& ctx) -> task<std::string> {
    ctx.continue_as_new(7);
    co_return "";
  };
  turn_driver run(registry_with(wants), "Ship");
  run.raise("Go", "1");
  run.turn(); // the event arrived before the first turn
  BOOST_TEST(run.has_ended());
  run.deploy(registry_with(continues));
  run.rewind();
  run.turn();
  BOOST_TEST(run.continued().carried.size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors::test
