// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/single_orchestrator.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
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

/// A number; counts how many results were decoded.
struct counted_result {
  static inline int decoded = 0;
  int value = 0;
};

[[maybe_unused]] void from_json(const nlohmann::json& json,
                                counted_result& result) {
  ++counted_result::decoded;
  json.get_to(result.value);
}

[[maybe_unused]] void to_json(nlohmann::json& json,
                              const counted_result& result) {
  json = result.value;
}

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

// Runs ten thousand activities one after the other on a warm coroutine. A turn
// does the work for its own result only: no earlier result is decoded again, no
// code of the orchestrator runs again, and one activity is scheduled. The time
// of a turn is measured by bench_turn_cost.
BOOST_AUTO_TEST_CASE(cost_of_a_turn_does_not_grow_with_history) {
  constexpr int count = 10'000;
  static int rounds; // Orchestrators have no captures.
  rounds = 0;
  auto functions = registry_with([](orchestration_context& ctx) -> task<int> {
    int sum = 0;
    for (int i = 0; i < count; ++i) {
      ++rounds;
      const auto one = co_await ctx.call_activity<counted_result>("One");
      sum += one.value;
    }
    co_return sum;
  });
  orchestration_run run(functions);
  orchestration_work_item item;
  item.instance = "order-17";
  item.execution = "e";
  item.cold = true;
  item.history.push_back(begin_of("Ship"));
  turn_outcome outcome = run.run_turn(item);
  counted_result::decoded = 0;
  for (int i = 1; i <= count; ++i) {
    BOOST_TEST_REQUIRE(outcome.decisions.size() == 1U);
    orchestration_work_item next;
    next.instance = "order-17";
    const auto task = std::get<task_scheduled>(outcome.decisions.at(0));
    next.deliveries.push_back(
      {1, {start_time, task_completed{task.sequence, "1"}}});
    outcome = run.run_turn(std::move(next));
    BOOST_TEST_REQUIRE(counted_result::decoded == i);
    BOOST_TEST_REQUIRE(rounds == std::min(i + 1, count));
  }
  BOOST_TEST(std::get<completed_result>(outcome.result).result == "10000");
}

// Ten thousand results arrive in reverse order, each in its own turn. A turn
// without the last missing result decodes at most its own one and schedules
// nothing. The time of a turn is measured by bench_turn_cost.
BOOST_AUTO_TEST_CASE(fan_out_of_10000_decodes_each_result_once) {
  constexpr int count = 10'000;
  auto functions = registry_with([](orchestration_context& ctx) -> task<int> {
    std::vector<pending<counted_result>> all;
    for (int i = 0; i < count; ++i)
      all.push_back(ctx.call_activity<counted_result>("One"));
    int sum = 0;
    auto values = co_await when_all(ctx, all);
    for (const counted_result& each : values)
      sum += each.value;
    co_return sum;
  });
  orchestration_run run(functions);
  orchestration_work_item item;
  item.cold = true;
  item.history.push_back(begin_of("Ship"));
  turn_outcome outcome = run.run_turn(item);
  BOOST_TEST(outcome.decisions.size() == 10'000U);
  counted_result::decoded = 0;
  int delivered = 0;
  for (task_sequence i = count; i > 0; --i) {
    orchestration_work_item next;
    next.deliveries.push_back({i, {start_time, task_completed{i, "1"}}});
    outcome = run.run_turn(std::move(next));
    BOOST_TEST_REQUIRE(counted_result::decoded <= ++delivered);
    BOOST_TEST_REQUIRE(outcome.decisions.empty());
  }
  BOOST_TEST(counted_result::decoded == count);
  BOOST_TEST(std::get<completed_result>(outcome.result).result == "10000");
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
