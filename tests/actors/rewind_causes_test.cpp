// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/rewind_samples.hpp"

#include <exception>

// A rewind repeats the failures for which the code has failed, also those that
// it received in an earlier turn.

using namespace std::chrono_literals;

namespace perdura::actors::test {

namespace {

/// Activities with the inputs 1 to 8, six of them at a time.
task<std::string> window_of_six(orchestration_context& ctx) {
  std::vector<pending<std::string>> all;
  std::vector<pending<std::string>> running;
  for (int i = 1; i <= 8; ++i) {
    if (running.size() == 6) {
      auto first = co_await when_any(ctx, running);
      running.erase(running.begin() + static_cast<long>(first.index()));
    }
    all.push_back(ctx.call_activity<std::string>("A", i));
    running.push_back(all.back());
  }
  std::string text;
  auto values = co_await when_all(ctx, all);
  for (auto& value : values)
    text += value;
  co_return text;
}

task<std::string> reported_race(orchestration_context& ctx) {
  auto work = ctx.call_activity<std::string>("Work");
  auto deadline = ctx.create_timer(1h);
  co_await when_any(work, deadline);
  deadline.cancel();
  auto report = co_await ctx.call_activity<std::string>("Report");
  co_return report + co_await work;
}

/// The text of task n, as a result.
std::string text_of_task(task_sequence task) {
  return "\"" + std::to_string(task) + "\"";
}

void complete_turn(turn_driver& run, task_sequence task) {
  run.complete(task, text_of_task(task));
  run.now += 1s;
  run.turn();
}

void fail_turn(turn_driver& run, task_sequence task) {
  run.fail(task);
  run.now += 1s;
  run.turn();
}

/// Calls A, undoes it if it fails, and ends in the way that `End` says.
enum class undo_end : std::uint8_t { same, nested, other, copy };

template <undo_end End>
task<std::string> undoes(orchestration_context& ctx) {
  auto before = co_await ctx.call_activity<std::string>("Before");
  auto tried = co_await ctx.call_activity<std::string>("A").as_outcome();
  if (!tried) {
    co_await ctx.call_activity<std::string>("Undo");
    try {
      std::rethrow_exception(tried.error());
    } catch (const task_failed& failure) {
      if (End == undo_end::nested)
        std::throw_with_nested(std::logic_error("undone"));
      if (End == undo_end::other)
        throw std::logic_error("undone");
      if (End == undo_end::copy) {
        const task_failed copied = failure;
        throw copied;
      }
      throw;
    }
  }
  co_return before + *tried;
}

} // namespace

BOOST_AUTO_TEST_SUITE(rewind_causes)

// Task 3 fails in the window, so that task 7 starts. The code fails at the end.
BOOST_AUTO_TEST_CASE(failure_in_a_window_runs_again) {
  turn_driver run(registry_with(window_of_six), "Ship");
  run.turn();
  complete_turn(run, 1);
  fail_turn(run, 3);
  BOOST_TEST(run.decisions_text() == "activity:A#8");
  for (const task_sequence task : {8, 2, 4, 5, 6, 7})
    complete_turn(run, task);
  BOOST_TEST(run.failure().message == "Activity function 'A' failed: boom");
  BOOST_TEST((run.last.causes.tasks == sequences({3})));
  run.rewind();
  BOOST_TEST(run.open.size() == 1U);
  run.turn();
  BOOST_TEST(run.decisions_text() == "");
  BOOST_TEST(!run.has_ended());
  run.complete(9, "\"3\"");
  run.turn();
  BOOST_TEST(run.output() == "\"12345678\"");
  BOOST_TEST(run.reason_held(registry_with(window_of_six)) == "not held");
}

// The exception of when_all is that of one failure; all of them run again.
BOOST_AUTO_TEST_CASE(all_failures_of_a_group_run_again) {
  turn_driver run(registry_with(window_of_six), "Ship");
  run.turn();
  fail_turn(run, 3);
  fail_turn(run, 1);
  for (const task_sequence task : {8, 2, 4, 5, 6, 7})
    complete_turn(run, task);
  BOOST_TEST((run.last.causes.tasks == sequences({1, 3})));
  run.rewind();
  run.turn();
  run.complete(9, "\"3\"");
  run.complete(10, "\"1\"");
  run.turn();
  // Task 7 had the input 7, and task 8 the input 8.
  BOOST_TEST(run.output() == "\"12345678\"");
}

// Two void turns have requested more than one turn may. The turn that repeats
// them requests nothing new.
BOOST_AUTO_TEST_CASE(repeated_decisions_do_not_count_for_the_limit_of_a_turn) {
  orchestrator_function f
    = [](orchestration_context& ctx) -> task<std::string> {
    auto work = ctx.call_activity<std::string>("Work");
    co_await when_any(work);
    for (int i = 0; i < 6000; ++i)
      ctx.send_event("log", "Line", i);
    auto b = co_await ctx.call_activity<std::string>("B");
    for (int i = 0; i < 6000; ++i)
      ctx.send_event("log", "Line", 6000 + i);
    co_return b + co_await work;
  };
  turn_driver run(registry_with(f), "Ship");
  run.turn();
  fail_turn(run, 1);
  complete_turn(run, 6002);
  BOOST_TEST((run.last.causes.tasks == sequences({1})));
  run.rewind();
  run.complete(run.next_sequence - 1, "\"w\"");
  run.turn();
  BOOST_TEST(run.last.decisions.empty());
  BOOST_TEST(run.output() == "\"6002w\"");
}

// The report is not made again, and the cancelled deadline is open until the
// work has ended.
BOOST_AUTO_TEST_CASE(work_of_a_race_runs_again) {
  turn_driver run(registry_with(reported_race), "Ship");
  run.turn();
  fail_turn(run, 1);
  BOOST_TEST(!run.open.contains(2));
  complete_turn(run, 3);
  BOOST_TEST(run.failure().message == "Activity function 'Work' failed: boom");
  run.rewind();
  run.turn();
  BOOST_TEST(run.decisions_text() == "");
  BOOST_TEST(run.open.contains(2)); // the deadline
  BOOST_TEST(run.open.contains(4)); // the work
  run.evict();
  complete_turn(run, 4);
  BOOST_TEST(run.decisions_text() == "");
  BOOST_TEST(run.output() == "\"34\"");
  BOOST_TEST((run.last.timers_cancelled == sequences({2})));
}

// The deadline passes while the work runs again. Its result is awaited as in
// the first run, in which the work had failed in time.
BOOST_AUTO_TEST_CASE(deadline_of_a_race_can_pass_after_the_rewind) {
  turn_driver run(registry_with(reported_race), "Ship");
  run.turn();
  fail_turn(run, 1);
  complete_turn(run, 3);
  run.rewind();
  run.turn();
  run.fire_timer(2);
  run.turn();
  BOOST_TEST(run.decisions_text() == "");
  complete_turn(run, 4);
  BOOST_TEST(run.output() == "\"34\"");
}

// The exception that escapes is the failure of A, a copy of it, or contains it.
BOOST_AUTO_TEST_CASE(failure_that_was_undone_runs_again) {
  for (orchestrator_function f :
       {undoes<undo_end::same>, undoes<undo_end::nested>,
        undoes<undo_end::other>, undoes<undo_end::copy>}) {
    turn_driver run(registry_with(f), "Ship");
    run.turn();
    complete_turn(run, 1);
    fail_turn(run, 2);
    BOOST_TEST(run.decisions_text() == "activity:Undo#3");
    complete_turn(run, 3);
    BOOST_TEST((run.last.causes.tasks == sequences({2})));
    run.rewind();
    run.turn();
    BOOST_TEST(run.open.size() == 1U);
    complete_turn(run, 4);
    BOOST_TEST(run.output() == "\"14\"");
  }
}

// The Undo of a failure that happens again is not made again.
BOOST_AUTO_TEST_CASE(undo_is_not_repeated_if_the_failure_is) {
  turn_driver run(registry_with(undoes<undo_end::same>), "Ship");
  run.turn();
  complete_turn(run, 1);
  fail_turn(run, 2);
  complete_turn(run, 3);
  run.rewind();
  run.turn();
  fail_turn(run, 4);
  BOOST_TEST(run.decisions_text() == "");
  BOOST_TEST(run.has_ended());
  BOOST_TEST((run.last.causes.tasks == sequences({4})));
  run.rewind();
  run.turn();
  complete_turn(run, 5);
  BOOST_TEST(run.output() == "\"15\"");
}

// Undo itself fails: only it runs again, then the rethrown failure of A.
BOOST_AUTO_TEST_CASE(failure_of_the_undo_runs_again_first) {
  turn_driver run(registry_with(undoes<undo_end::same>), "Ship");
  run.turn();
  complete_turn(run, 1);
  fail_turn(run, 2);
  fail_turn(run, 3);
  BOOST_TEST((run.last.causes.tasks == sequences({3})));
  run.rewind();
  run.turn();
  complete_turn(run, 4);
  BOOST_TEST((run.last.causes.tasks == sequences({2})));
  run.rewind();
  run.turn();
  BOOST_TEST(run.open.size() == 1U);
  complete_turn(run, 5);
  BOOST_TEST(run.output() == "\"15\"");
}

// The failure of A is handled. The exception of the code holds no failure, so
// all failures run again; those of a retry policy do not count.
BOOST_AUTO_TEST_CASE(exception_without_a_failure_repeats_all_failures) {
  orchestrator_function f
    = [](orchestration_context& ctx) -> task<std::string> {
    auto a = co_await ctx.call_activity<std::string>("A").as_outcome();
    auto r = co_await ctx.call_activity<std::string>(
      "R", nullptr, {.retry = {.attempts_max = 2}});
    if (!a)
      throw std::runtime_error("incomplete");
    co_return *a + r;
  };
  turn_driver run(registry_with(f), "Ship");
  run.turn();
  fail_turn(run, 1);
  fail_turn(run, 2);
  run.fire_timer(3);
  run.turn();
  complete_turn(run, 4);
  BOOST_TEST(run.failure().message == "incomplete");
  BOOST_TEST((run.last.causes.tasks == sequences({1})));
  run.rewind();
  run.turn();
  complete_turn(run, 5);
  // R and its retry are requested later than before: the pause between them
  // begins again, and their results are the old ones.
  BOOST_TEST(run.decisions_text() == "timer#6");
  run.fire_timer(6);
  run.turn();
  BOOST_TEST(run.decisions_text() == "");
  BOOST_TEST(run.output() == "\"54\"");
}

// An exhausted retry policy in the void turns gets a new budget.
BOOST_AUTO_TEST_CASE(exhausted_policy_observed_earlier_gets_new_attempts) {
  orchestrator_function f
    = [](orchestration_context& ctx) -> task<std::string> {
    auto r = ctx.call_activity<std::string>("R", nullptr,
                                            {.retry = {.attempts_max = 2}});
    co_await when_any(r);
    auto b = co_await ctx.call_activity<std::string>("B");
    co_return b + co_await r;
  };
  turn_driver run(registry_with(f), "Ship");
  run.turn();
  fail_turn(run, 1);
  run.fire_timer(2);
  run.turn();
  fail_turn(run, 3); // the second and last attempt
  complete_turn(run, 4);
  BOOST_TEST((run.last.causes.tasks == sequences({3})));
  run.rewind();
  run.turn();
  fail_turn(run, 5);
  BOOST_TEST(run.decisions_text() == "timer#6");
  run.fire_timer(6);
  run.turn();
  BOOST_TEST(run.decisions_text() == "activity:R#7");
  complete_turn(run, 7);
  BOOST_TEST(run.output() == "\"47\"");
}

// Both the child and the activity fail; both are awaited at the end only.
BOOST_AUTO_TEST_CASE(children_run_again_with_their_sequence) {
  orchestrator_function f
    = [](orchestration_context& ctx) -> task<std::string> {
    auto child = ctx.call_sub_orchestration<std::string>("Child");
    auto a = ctx.call_activity<std::string>("A");
    co_await when_any(child);
    co_await when_any(a);
    auto b = co_await ctx.call_activity<std::string>("B");
    auto [x, y] = co_await when_all(child, a);
    co_return b + x + y;
  };
  turn_driver run(registry_with(f), "Ship");
  run.turn();
  run.child_fail(1);
  run.turn();
  complete_turn(run, 2);
  complete_turn(run, 3);
  BOOST_TEST((run.last.causes.tasks == sequences({1})));
  run.rewind();
  BOOST_TEST(run.open.contains(1));
  run.turn();
  run.child_complete(1, "\"c\"");
  run.turn();
  BOOST_TEST(run.output() == "\"3c2\"");
}

// The void turns are repeated with their times and UUIDs, and an event that was
// sent is not sent again.
BOOST_AUTO_TEST_CASE(times_and_uuids_of_void_turns_repeat) {
  orchestrator_function f
    = [](orchestration_context& ctx) -> task<std::string> {
    auto work = ctx.call_activity<std::string>("Work");
    auto other = ctx.call_activity<std::string>("Other");
    co_await when_any(work, other);
    const std::string seen
      = std::to_string(ctx.current_time().time_since_epoch() / 1s);
    ctx.send_event("log", "Line", seen);
    json input{seen, ctx.new_guid()};
    auto b = co_await ctx.call_activity<std::string>("B", input);
    co_await ctx.create_timer(ctx.current_time() + 1min);
    co_return b + co_await work;
  };
  turn_driver run(registry_with(f), "Ship");
  run.turn();
  run.fail(1);
  run.complete(2, "\"2\"");
  run.now += 5s;
  run.turn();
  BOOST_TEST(run.decisions_text() == "event:Line#3 activity:B#4");
  complete_turn(run, 4);
  run.fire_timer(5);
  run.turn();
  BOOST_TEST((run.last.causes.tasks == sequences({1})));
  run.now += 24h;
  run.rewind();
  run.turn();
  BOOST_TEST(run.decisions_text() == "");
  run.evict();
  complete_turn(run, 6);
  BOOST_TEST(run.decisions_text() == "");
  BOOST_TEST(run.output() == "\"46\"");
}

// Equal calls that are made one after the other get their results in order.
BOOST_AUTO_TEST_CASE(equal_calls_get_their_results_in_order) {
  orchestrator_function f
    = [](orchestration_context& ctx) -> task<std::string> {
    auto work = ctx.call_activity<std::string>("Work");
    co_await when_any(work);
    std::string text;
    for (int i = 0; i < 3; ++i)
      text += co_await ctx.call_activity<std::string>("Poll");
    co_return text + co_await work;
  };
  turn_driver run(registry_with(f), "Ship");
  run.turn();
  fail_turn(run, 1);
  complete_turn(run, 2);
  complete_turn(run, 3);
  complete_turn(run, 4);
  run.rewind();
  run.turn();
  complete_turn(run, 5);
  BOOST_TEST(run.output() == "\"2345\"");
}

// A call of the new run with another input is another call. The old one is not
// requested any more; its result ends without effect.
BOOST_AUTO_TEST_CASE(call_with_another_input_is_made) {
  orchestrator_function f
    = [](orchestration_context& ctx) -> task<std::string> {
    auto a = co_await ctx.call_activity<std::string>("A").as_outcome();
    const std::string input = a ? *a : "none";
    auto b = co_await ctx.call_activity<std::string>("B", input);
    co_return b + a.value();
  };
  turn_driver run(registry_with(f), "Ship");
  run.turn();
  fail_turn(run, 1);
  complete_turn(run, 2);
  run.rewind();
  run.turn();
  complete_turn(run, 3);
  BOOST_TEST(run.decisions_text() == "activity:B#4");
  complete_turn(run, 4);
  BOOST_TEST(run.output() == "\"43\"");
}

// New code asks for the results of the void turns in another order.
BOOST_AUTO_TEST_CASE(new_code_takes_results_in_another_order) {
  orchestrator_function f
    = [](orchestration_context& ctx) -> task<std::string> {
    auto a = ctx.call_activity<std::string>("A");
    co_await when_any(a);
    auto b = co_await ctx.call_activity<std::string>("B");
    auto c = co_await ctx.call_activity<std::string>("C");
    co_return b + c + co_await a;
  };
  orchestrator_function changed
    = [](orchestration_context& ctx) -> task<std::string> {
    auto a = ctx.call_activity<std::string>("A");
    co_await when_any(a);
    auto c = co_await ctx.call_activity<std::string>("C");
    auto d = co_await ctx.call_activity<std::string>("D");
    auto b = co_await ctx.call_activity<std::string>("B");
    co_return c + d + b + co_await a;
  };
  turn_driver run(registry_with(f), "Ship");
  run.turn();
  fail_turn(run, 1);
  complete_turn(run, 2);
  complete_turn(run, 3);
  run.deploy(registry_with(changed));
  run.rewind();
  run.turn();
  complete_turn(run, 4);
  BOOST_TEST(run.decisions_text() == "activity:D#5");
  run.evict();
  complete_turn(run, 5);
  BOOST_TEST(run.output() == "\"3524\"");
}

// Send was abandoned by the turn after the first rewind, and is then requested
// as another task. The second rewind makes that turn void, too: the code gets
// the task that has a result.
BOOST_AUTO_TEST_CASE(abandoned_task_is_not_taken) {
  orchestrator_function before
    = [](orchestration_context& ctx) -> task<std::string> {
    auto x = ctx.call_activity<std::string>("X");
    co_await ctx.call_activity<std::string>("Pack");
    std::ignore = ctx.call_activity<std::string>("Send");
    throw std::logic_error("a bug");
    co_return co_await x;
  };
  orchestrator_function after
    = [](orchestration_context& ctx) -> task<std::string> {
    auto x = ctx.call_activity<std::string>("X");
    co_await ctx.call_activity<std::string>("Pack");
    co_await when_any(x);
    auto b = co_await ctx.call_activity<std::string>("B");
    auto sent = co_await ctx.call_activity<std::string>("Send");
    co_return b + sent + co_await x;
  };
  turn_driver run(registry_with(before), "Ship");
  run.turn();
  complete_turn(run, 2);
  run.deploy(registry_with(after));
  run.rewind();
  fail_turn(run, 1);
  BOOST_TEST(run.decisions_text() == "activity:B#4");
  BOOST_TEST((run.last.orphans == sequences({3})));
  complete_turn(run, 4);
  BOOST_TEST(run.decisions_text() == "activity:Send#5");
  complete_turn(run, 5);
  BOOST_TEST((run.last.causes.tasks == sequences({1})));
  run.rewind();
  BOOST_TEST((run.last_rewind().dropped == sequences({3})));
  run.turn();
  complete_turn(run, 6);
  BOOST_TEST(run.decisions_text() == "");
  BOOST_TEST(run.output() == "\"456\"");
}

// A failure that the code has not observed has had no effect: the turn that
// delivered it is not void.
BOOST_AUTO_TEST_CASE(cut_is_the_first_turn_that_observed_a_cause) {
  turn_driver run(registry_with(ten), "Ship");
  run.turn();
  fail_turn(run, 5);
  complete_turn(run, 1);
  const auto size = run.history.size();
  fail_turn(run, 2);
  BOOST_TEST((run.last.causes.tasks == sequences({2, 5})));
  run.rewind();
  BOOST_TEST(run.last_rewind().turn_first == size);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors::test
