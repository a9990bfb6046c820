// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/single_orchestrator.hpp"

#include <chrono>

using namespace std::chrono_literals;

namespace perdura::actors::test {

namespace {

history_event begin_of(std::string name) {
  execution_started started;
  started.name = std::move(name);
  return {start_time, std::move(started)};
}

task<int> one(orchestration_context&) {
  co_return 1;
}

task<int> deep(orchestration_context& ctx, int levels) {
  if (levels == 0)
    co_return co_await ctx.call_activity<int>("Bottom");
  co_return 1 + co_await deep(ctx, levels - 1);
}

task<void> throws(orchestration_context& ctx) {
  co_await ctx.create_timer(1s);
  throw std::out_of_range("no such city");
}

/// A local object of a coroutine frame; counts the objects that exist.
struct frame_local {
  static inline int alive = 0;

  frame_local() {
    ++alive;
  }

  frame_local(const frame_local&) {
    ++alive;
  }

  ~frame_local() {
    --alive;
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(task_and_pending)

// A helper that never waits must return without growing the stack.
BOOST_AUTO_TEST_CASE(million_finished_helpers_need_no_stack) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<int> {
                    int sum = 0;
                    for (int i = 0; i < 1'000'000; ++i)
                      sum += co_await one(ctx);
                    co_return sum;
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(run.output() == "1000000");
}

// Awaiting a finished task must not grow the stack either.
BOOST_AUTO_TEST_CASE(repeated_awaits_of_a_finished_task_need_no_stack) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<int> {
                    auto value = ctx.call_activity<int>("One");
                    int sum = 0;
                    for (int i = 0; i < 100'000; ++i)
                      sum += co_await value;
                    co_return sum;
                  }),
                  "Ship");
  run.turn();
  run.complete(1, "2");
  run.turn();
  BOOST_TEST(run.output() == "200000");
}

// A hundred and one nested helpers wait for one activity and then return one
// after the other.
BOOST_AUTO_TEST_CASE(hundred_nested_helpers_return_in_order) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<int> {
                    co_return co_await deep(ctx, 100);
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(detail::frames_alive.load() == 102);
  run.complete(1, "5");
  run.turn();
  BOOST_TEST(run.output() == "105");
  BOOST_TEST(detail::frames_alive.load() == 0);
}

// The helper throws after a timer.
BOOST_AUTO_TEST_CASE(helper_exception_reaches_its_awaiter) {
  turn_driver run(
    registry_with([](orchestration_context& ctx) -> task<std::string> {
      try {
        co_await throws(ctx);
      } catch (const std::out_of_range& failure) {
        co_return failure.what();
      }
      co_return "nothing";
    }),
    "Ship");
  run.turn();
  run.fire_timer(1);
  run.turn();
  BOOST_TEST(run.output() == "\"no such city\"");
}

// Local objects of the coroutines are destroyed too.
BOOST_AUTO_TEST_CASE(destroying_a_waiting_run_frees_all_frames) {
  {
    turn_driver run(registry_with([](orchestration_context& ctx) -> task<int> {
                      frame_local local;
                      co_return co_await deep(ctx, 10);
                    }),
                    "Ship");
    run.turn();
    BOOST_TEST(frame_local::alive == 1);
    BOOST_TEST(detail::frames_alive.load() == 12);
  }
  BOOST_TEST(frame_local::alive == 0);
  BOOST_TEST(detail::frames_alive.load() == 0);
}

// A task object can be kept; its code does not run before it is awaited.
BOOST_AUTO_TEST_CASE(helper_starts_when_it_is_awaited) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<int> {
                    auto later = deep(ctx, 2);
                    int before = co_await ctx.call_activity<int>("Before");
                    co_return before + co_await std::move(later);
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(run.decisions_text()
             == "activity:Before#1"); // Bottom is not scheduled yet
  run.complete(1, "10");
  run.turn();
  BOOST_TEST(run.decisions_text() == "activity:Bottom#2");
  run.complete(2, "1");
  run.turn();
  BOOST_TEST(run.output() == "13");
}

// The mistake is reported as an exception; it is not undefined behaviour.
BOOST_AUTO_TEST_CASE(awaiting_a_helper_twice_throws) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<int> {
                    auto helper = one(ctx);
                    co_await std::move(helper);
                    co_return co_await std::move(helper);
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(run.failure().type == "std::logic_error");
  BOOST_TEST(run.failure().message == "a task<T> can be awaited once");
}

// as_outcome() does not throw; the failure counts as delivered.
BOOST_AUTO_TEST_CASE(as_outcome_returns_the_value_or_the_failure) {
  turn_driver run(
    registry_with([](orchestration_context& ctx) -> task<std::string> {
      auto first = ctx.call_activity<int>("A");
      auto second = ctx.call_activity("B");
      auto a = co_await first.as_outcome();
      auto b = co_await second.as_outcome();
      std::string text = a ? std::to_string(*a) : "failed";
      if (!b)
        text += " " + b.failure().type + ": " + b.failure().message;
      co_return text;
    }),
    "Ship");
  run.turn();
  run.fail(2, "no paper");
  run.turn();
  run.complete(1, "7");
  run.turn();
  BOOST_TEST(
    run.output()
    == "\"7 activity_failed: Activity function 'B' failed: no paper\"");
  BOOST_TEST((run.last.failures_received == std::vector<task_sequence>{2}));
}

// Runs ten thousand activities one after the other on a warm coroutine. The
// second half must not take much longer than the first one.
BOOST_AUTO_TEST_CASE(cost_of_a_turn_does_not_grow_with_history) {
  auto functions = registry_with([](orchestration_context& ctx) -> task<int> {
    int sum = 0;
    for (int i = 0; i < 10'000; ++i)
      sum += co_await ctx.call_activity<int>("One");
    co_return sum;
  });
  orchestration_run run(functions);
  orchestration_work_item item;
  item.instance = "order-17";
  item.execution = "e";
  item.cold = true;
  item.history.push_back(begin_of("Ship"));
  turn_outcome outcome = run.run_turn(item);
  std::chrono::steady_clock::duration halves[2] = {};
  for (int half = 0; half < 2; ++half) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 5'000; ++i) {
      orchestration_work_item next;
      next.instance = "order-17";
      const auto task = std::get<task_scheduled>(outcome.decisions.at(0));
      next.deliveries.push_back(
        {1, {start_time, task_completed{task.sequence, "1"}}});
      outcome = run.run_turn(std::move(next));
    }
    halves[half] = std::chrono::steady_clock::now() - begin;
  }
  BOOST_TEST(std::get<completed_result>(outcome.result).result == "10000");
  // A generous bound, because the machine is shared. With quadratic cost the
  // second half would take three times as long.
  BOOST_TEST((halves[1] < 3 * halves[0] + 50ms));
}

// Ten thousand results arrive in reverse order, each in its own turn.
BOOST_AUTO_TEST_CASE(fan_out_of_10000_is_gathered_in_linear_time) {
  auto functions = registry_with([](orchestration_context& ctx) -> task<int> {
    std::vector<pending<int>> all;
    for (int i = 0; i < 10'000; ++i)
      all.push_back(ctx.call_activity<int>("One"));
    int sum = 0;
    auto values = co_await when_all(ctx, all);
    for (int value : values)
      sum += value;
    co_return sum;
  });
  orchestration_run run(functions);
  orchestration_work_item item;
  item.cold = true;
  item.history.push_back(begin_of("Ship"));
  turn_outcome outcome = run.run_turn(item);
  BOOST_TEST(outcome.decisions.size() == 10'000U);
  const auto begin = std::chrono::steady_clock::now();
  for (task_sequence i = 10'000; i > 0; --i) {
    orchestration_work_item next;
    next.deliveries.push_back({i, {start_time, task_completed{i, "1"}}});
    outcome = run.run_turn(std::move(next));
  }
  BOOST_TEST(std::get<completed_result>(outcome.result).result == "10000");
  BOOST_TEST((std::chrono::steady_clock::now() - begin < 3s));
}

// Calls when_any a thousand times, each time over the tasks that are not yet
// awaited. All results arrive in one turn.
BOOST_AUTO_TEST_CASE(repeated_when_any_keeps_no_finished_races) {

  turn_outcome outcome;
  auto functions = registry_with([](orchestration_context& ctx) -> task<int> {
    std::vector<pending<int>> left;
    for (int i = 0; i < 1'000; ++i)
      left.push_back(ctx.call_activity<int>("One"));
    int sum = 0;
    while (!left.empty()) {
      auto first = co_await when_any(ctx, left);
      sum += co_await left[first.index()];
      left.erase(left.begin() + static_cast<std::ptrdiff_t>(first.index()));
    }
    co_return sum;
  });
  orchestration_run run(functions);
  orchestration_work_item item;
  item.cold = true;
  item.history.push_back(begin_of("Ship"));
  for (task_sequence i = 1'000; i > 0; --i)
    item.deliveries.push_back({i, {start_time, task_completed{i, "1"}}});
  outcome = run.run_turn(item);
  BOOST_TEST(std::get<completed_result>(outcome.result).result == "1000");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors::test
