// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/rewind_samples.hpp"

// Rewind of a failed instance that continues with the same code.

using namespace std::chrono_literals;

namespace perdura::actors::test {

BOOST_AUTO_TEST_SUITE(rewind_suite)

// Pack has succeeded, Charge has failed. After the rewind Charge has a new
// sequence, and the code waits for its result.
BOOST_AUTO_TEST_CASE(only_the_failed_activity_runs_again) {
  turn_driver run(registry_with(two_steps), "Ship");
  run.turn();
  run.complete(1, "\"a\"");
  run.turn();
  run.fail(2, "no money");
  run.turn();
  BOOST_TEST(run.failure().message
             == "Activity function 'Charge' failed: no money");
  BOOST_TEST((run.last.failures_received == sequences({2})));
  run.rewind();
  // No new message has arrived, so the code waits at the same place.
  run.turn();
  BOOST_TEST(!run.has_ended());
  BOOST_TEST(run.decisions_text() == "");
  run.complete(3, "\"b\"");
  run.turn();
  BOOST_TEST(run.output() == "\"ab\"");
  BOOST_TEST(run.reason_held(registry_with(two_steps)) == "not held");
}

// The result of the repeated activity arrives before the rewound turn runs
// again.
BOOST_AUTO_TEST_CASE(result_may_arrive_before_the_turn_runs_again) {
  turn_driver run(registry_with(two_steps), "Ship");
  run.turn();
  run.complete(1, "\"a\"");
  run.turn();
  run.fail(2);
  run.turn();
  run.rewind();
  run.complete(3, "\"b\"");
  run.turn();
  BOOST_TEST(run.output() == "\"ab\"");
}

// Activities 3 and 5 of ten fail. The code awaits the ten activities one by one
// or with when_all, and results arrive in separate turns or in one turn. After
// the rewind, only activities 3 and 5 run again, with new sequences.
BOOST_AUTO_TEST_CASE(fan_out_reruns_only_failed_activities) {
  for (orchestrator_function f : {ten, ten_at_once})
    for (bool batched : {false, true}) {
      turn_driver run(registry_with(f), "Ship");
      run.turn();
      auto maybe_turn = [&] {
        if (!batched && !run.has_ended())
          run.turn();
      };
      for (task_sequence i : {1, 2, 4, 6, 7}) {
        run.complete(i, "\"" + std::to_string(i) + "\"");
        maybe_turn();
      }
      run.fail(5); // `ten` does not await it yet
      maybe_turn();
      run.fail(3);
      if (f == ten_at_once) {
        for (task_sequence i : {8, 9, 10}) {
          maybe_turn();
          run.complete(i, "\"" + std::to_string(i) + "\"");
        }
      }
      run.turn();
      BOOST_TEST_REQUIRE(!run.failure().message.empty());
      run.rewind();
      BOOST_TEST(run.next_sequence == 13U);
      if (f == ten)
        run.complete(9, "\"9\""); // arrives before the rewound turn
      run.turn();
      BOOST_TEST(run.decisions_text() == "");
      BOOST_TEST(!run.has_ended());
      // The reruns of 3 and 5 have the sequences 11 and 12, in the order of
      // their failures.
      const bool three_first
        = std::get<task_scheduled>(run.open.at(11)).input == "2";
      run.complete(three_first ? 12 : 11, "\"5\"");
      run.turn();
      run.complete(three_first ? 11 : 12, "\"3\"");
      run.turn();
      if (f == ten) {
        run.complete(10, "\"10\"");
        run.turn();
        run.complete(8, "\"8\"");
        run.turn();
      }
      BOOST_TEST(run.output() == "\"12345678910\"");
    }
}

// Only the last of three failed attempts is void. Its rerun counts as a
// first attempt.
BOOST_AUTO_TEST_CASE(exhausted_retry_policy_restarts) {
  turn_driver run(registry_with(retried), "Ship");
  run.turn();
  run.fail(1);
  run.turn();
  BOOST_TEST(run.decisions_text() == "timer#2");
  BOOST_TEST((run.last.failures_received == sequences({1})));
  run.fire_timer(2);
  run.turn();
  BOOST_TEST(run.decisions_text() == "activity:Charge#3");
  run.fail(3);
  run.turn();
  run.fire_timer(4);
  run.turn();
  BOOST_TEST(std::get<task_scheduled>(run.open.at(5)).attempt == 3U);
  run.fail(5);
  run.turn();
  BOOST_TEST(run.has_ended());
  // The failed tasks 1 and 3 were retried. The failure of task 5 is void, and
  // the activity runs again as task 6.
  run.rewind();
  BOOST_TEST(run.open.size() == 1U);
  run.turn();
  BOOST_TEST(run.decisions_text() == "");
  run.fail(6);
  run.turn();
  BOOST_TEST(run.decisions_text() == "timer#7");
  BOOST_TEST((run.last.failures_received == sequences({6})));
  run.fire_timer(7);
  run.turn();
  BOOST_TEST(std::get<task_scheduled>(run.open.at(8)).attempt == 2U);
  run.fail(8);
  run.turn();
  run.fire_timer(9);
  run.turn();
  BOOST_TEST(std::get<task_scheduled>(run.open.at(10)).attempt == 3U);
  run.fail(10, "at last");
  run.turn();
  BOOST_TEST(run.failure().message
             == "Activity function 'Charge' failed: at last");
  run.rewind();
  run.complete(11, "\"ok\"");
  run.turn();
  BOOST_TEST(run.output() == "\"ok\"");
}

// The failure of Try was handled by calling Other. After the later failure of
// Charge, only Charge runs again.
BOOST_AUTO_TEST_CASE(handled_failure_stays_handled) {
  turn_driver run(registry_with(fallback), "Ship");
  run.turn();
  run.fail(1);
  run.turn();
  BOOST_TEST((run.last.failures_received == sequences({1})));
  BOOST_TEST(run.decisions_text() == "activity:Other#2");
  run.complete(2, "\"other \"");
  run.turn();
  run.fail(3);
  run.turn();
  run.rewind();
  run.turn();
  BOOST_TEST(run.open.contains(4));
  BOOST_TEST(!run.open.contains(5));
  run.complete(4, "\"paid\"");
  run.turn();
  BOOST_TEST(run.output() == "\"other paid\"");
}

// A failed task ends a when_any. The code continues without awaiting that task
// and fails later for another reason.
BOOST_AUTO_TEST_CASE(failure_observed_by_when_any_stays_handled) {

  orchestrator_function f
    = [](orchestration_context& ctx) -> task<std::string> {
    auto a = ctx.call_activity<std::string>("A");
    auto b = ctx.call_activity<std::string>("B");
    co_await when_any(a, b);
    co_await ctx.create_timer(1s);
    co_return co_await b;
  };
  turn_driver run(registry_with(f), "Ship");
  run.turn();
  run.fail(1);
  run.turn();
  BOOST_TEST((run.last.failures_received == sequences({1})));
  run.fire_timer(3);
  run.turn();
  run.fail(2);
  run.turn();
  run.rewind();
  run.turn();
  BOOST_TEST(!run.has_ended());
  run.complete(4, "\"b\"");
  run.turn();
  BOOST_TEST(run.output() == "\"b\"");
}

// Activity B fails, runs again as task 4 after the first rewind, fails again
// and runs as task 5 after the second rewind. The activities A and C run only
// once.
BOOST_AUTO_TEST_CASE(instance_can_be_rewound_twice_at_the_same_turn) {
  orchestrator_function f
    = [](orchestration_context& ctx) -> task<std::string> {
    auto a = ctx.call_activity<std::string>("A");
    auto b = ctx.call_activity<std::string>("B");
    auto x = co_await a;
    auto c = ctx.call_activity<std::string>("C");
    x += co_await b;
    co_return x + co_await c;
  };
  turn_driver run(registry_with(f), "Ship");
  run.turn();
  run.complete(1, "\"a\"");
  run.fail(2, "first");
  run.turn(); // in one turn: result of A, decision C, failure of B
  BOOST_TEST(run.failure().message == "Activity function 'B' failed: first");
  BOOST_TEST(run.decisions_text() == "activity:C#3");
  run.rewind(); // the rerun of B is 4
  run.fail(4, "second");
  run.turn();
  BOOST_TEST(run.failure().message == "Activity function 'B' failed: second");
  BOOST_TEST(run.decisions_text() == "");
  BOOST_TEST((run.last.failures_received == sequences({4})));
  run.rewind(); // the rerun of B is 5
  BOOST_TEST(run.next_sequence == 6U);
  run.complete(3, "\"c\"");
  run.turn();
  BOOST_TEST(run.decisions_text() == "");
  run.complete(5, "\"b\"");
  run.turn();
  BOOST_TEST(run.output() == "\"abc\"");
  BOOST_TEST(run.reason_held(registry_with(f)) == "not held");
}

// Pack fails once and Charge twice; each failure is rewound.
BOOST_AUTO_TEST_CASE(each_failure_of_a_sequence_can_be_rewound) {
  turn_driver run(registry_with(two_steps), "Ship");
  run.turn();
  run.fail(1);
  run.turn();
  run.rewind();
  run.turn();
  run.complete(2, "\"a\"");
  run.turn();
  BOOST_TEST(run.decisions_text() == "activity:Charge#3");
  run.fail(3);
  run.turn();
  run.rewind();
  run.fail(4);
  run.turn();
  run.rewind();
  run.complete(5, "\"b\"");
  run.turn();
  BOOST_TEST(run.output() == "\"ab\"");
}

// A failed child is rewound itself, so the parent's task keeps its sequence.
BOOST_AUTO_TEST_CASE(failed_child_keeps_its_sequence) {
  turn_driver run(registry_with(with_child), "Ship");
  run.turn();
  run.child_fail(1, "Activity function 'X' failed: y");
  run.turn();
  BOOST_TEST(run.failure().type == "sub_orchestration_failed");
  BOOST_TEST(run.failure().message
             == "Sub-orchestrator function 'Child' failed: "
                "Activity function 'X' failed: y");
  BOOST_TEST((run.last.failures_received == sequences({1})));
  run.rewind();
  BOOST_TEST(run.next_sequence == 2U);
  run.turn();
  BOOST_TEST(!run.has_ended());
  run.child_complete(1, "\"done\"");
  run.turn();
  BOOST_TEST(run.output() == "\"done\"");
}

BOOST_AUTO_TEST_CASE(rewound_turn_reports_all_its_waits_again) {
  // The failed turn had cancelled the timer `deadline`. The rewound turn waits
  // for this timer again. It also reports the cancelled timer `over` and the
  // open wait Go, although the first turn has already reported them.
  orchestrator_function f
    = [](orchestration_context& ctx) -> task<std::string> {
    std::ignore = ctx.wait_for_external_event("Go");
    auto over = ctx.create_timer(1s);
    over.cancel();
    auto deadline = ctx.create_timer(1h);
    auto charge = ctx.call_activity<std::string>("Charge");
    auto first = co_await when_any(charge, deadline);
    if (first == deadline)
      co_return "too late";
    deadline.cancel();
    co_return co_await charge;
  };
  turn_driver run(registry_with(f), "Ship");
  run.turn();
  BOOST_TEST((run.last.timers_cancelled == sequences({1})));
  BOOST_TEST(run.last.waits_opened.size() == 1U);
  const history_body deadline = run.open.at(2);
  run.fail(3);
  run.turn();
  BOOST_TEST((run.last.timers_cancelled == sequences({2})));
  run.rewind();
  run.open[2] = deadline; // the partition opens the timer again
  run.turn();
  BOOST_TEST((run.last.timers_cancelled == sequences({1})));
  BOOST_TEST_REQUIRE(run.last.waits_open.has_value());
  BOOST_TEST(run.last.waits_open->size() == 1U);
  run.fire_timer(2);
  run.turn();
  BOOST_TEST(run.output() == "\"too late\"");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors::test
