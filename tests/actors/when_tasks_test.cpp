// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/task_samples.hpp"

#include <memory>

using namespace std::chrono_literals;

namespace perdura::actors::test {

namespace {

// The example of actors/README.md.

task<int> order_one(orchestration_context& ctx, std::string item) {
  const int price = co_await ctx.call_activity<int>("Price", item);
  const int order = co_await ctx.call_activity<int>("Order", price);
  co_return order;
}

task<int> total_of(orchestration_context& ctx, std::vector<task<int>> orders) {
  int total = 0;
  const std::vector<int> all = co_await when_all(ctx, std::move(orders));
  for (const int order : all)
    total += order;
  co_return total;
}

task<int> order_all(orchestration_context& ctx,
                    std::vector<std::string> items) {
  std::vector<task<int>> orders;
  for (const std::string& item : items)
    orders.push_back(order_one(ctx, item));
  auto deadline = ctx.create_timer(std::chrono::hours(1));
  auto first = co_await when_any(total_of(ctx, std::move(orders)), deadline);
  if (first == deadline)
    co_return 0; // the orders that are still open run no further
  deadline.cancel();
  co_return first.result<0>().value();
}

} // namespace

BOOST_AUTO_TEST_SUITE(when_tasks)

BOOST_AUTO_TEST_CASE(example_of_the_documentation) {
  const auto functions = registry_with(order_all);
  turn_driver run(functions, "Ship", R"(["a","b"])");
  run.turn();
  run.complete(2, "10");
  run.complete(3, "20");
  run.turn();
  run.complete(5, "200");
  run.turn();
  run.complete(4, "100");
  run.turn();
  BOOST_TEST(run.output() == "300");
  BOOST_TEST((run.last.timers_cancelled == sequences({1})));
  turn_driver late(functions, "Ship", R"(["a","b"])");
  late.turn();
  late.fire_timer(1);
  late.turn();
  BOOST_TEST(late.output() == "0");
  BOOST_TEST(detail::frames_alive.load() == 0);
}

// Each chain continues as soon as its own result has come.
BOOST_AUTO_TEST_CASE(chains_run_side_by_side) {
  turn_driver run(
    registry_with(
      [](orchestration_context& ctx) -> task<std::vector<std::string>> {
        std::vector<task<std::string>> orders;
        for (const char* const item : {"a", "b", "c"})
          orders.push_back(price_and_order(ctx, item));
        auto done = co_await when_all(ctx, std::move(orders));
        co_return done;
      }),
    "Ship");
  run.turn();
  BOOST_TEST(run.decisions_text()
             == "activity:Price#1 activity:Price#2 activity:Price#3");
  run.complete(2, "\"20\"");
  run.turn();
  BOOST_TEST(run.decisions_text() == "activity:Order#4");
  run.complete(4, "\"B\"");
  run.turn();
  BOOST_TEST(run.decisions_text() == "");
  // Two results in one turn: the decisions are in the order of the results.
  run.complete(3, "\"30\"");
  run.complete(1, "\"10\"");
  run.turn();
  BOOST_TEST(run.decisions_text() == "activity:Order#5 activity:Order#6");
  BOOST_TEST(
    (std::get<task_scheduled>(run.last.decisions[0]).input == "\"30\""));
  run.complete(5, "\"C\"");
  run.evict();
  run.turn();
  run.complete(6, "\"A\"");
  run.turn();
  BOOST_TEST(run.output() == R"(["A","B","C"])");
  BOOST_TEST(detail::frames_alive.load() == 0);
}

// One result that several chains wait for resumes them in the order in which
// they began to wait.
BOOST_AUTO_TEST_CASE(one_result_resumes_in_the_order_of_the_waits) {
  struct code {
    static task<void> after(orchestration_context& ctx, pending<void> shared,
                            std::string name) {
      co_await shared;
      co_await ctx.call_activity(name);
    }
  };

  turn_driver run(registry_with([](orchestration_context& ctx) -> task<void> {
                    auto shared = ctx.call_activity("Shared");
                    co_await when_all(code::after(ctx, shared, "A"),
                                      code::after(ctx, shared, "B"), shared,
                                      code::after(ctx, shared, "C"));
                  }),
                  "Ship");
  run.turn();
  run.complete(1);
  run.turn();
  BOOST_TEST(run.decisions_text() == "activity:A#2 activity:B#3 activity:C#4");
  run.complete(4);
  run.complete(2);
  run.complete(3);
  run.turn();
  BOOST_TEST(run.output() == "null");
}

BOOST_AUTO_TEST_CASE(lists_of_no_and_one_and_many_tasks) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<int> {
                    std::vector<task<int>> none;
                    auto nothing = co_await when_all(ctx, std::move(none));
                    int sum = static_cast<int>(nothing.size());
                    std::vector<task<int>> single;
                    single.push_back(call(ctx, "A"));
                    auto one = co_await when_all(ctx, std::move(single));
                    sum += one.front();
                    std::vector<task<int>> many;
                    for (int i = 0; i < 1000; ++i)
                      many.push_back(call(ctx, "B"));
                    auto all = co_await when_all(ctx, std::move(many));
                    for (int value : all)
                      sum += value;
                    std::vector<task<void>> empty;
                    co_await when_all(ctx, std::move(empty));
                    std::vector<task<void>> voids;
                    voids.push_back(call_twice(ctx, "C"));
                    co_await when_all(ctx, std::move(voids));
                    co_return sum;
                  }),
                  "Ship");
  run.turn();
  run.complete(1, "5");
  run.turn();
  BOOST_TEST(run.last.decisions.size() == 1000U);
  for (task_sequence i = 1001; i > 1; --i)
    run.complete(i, "1");
  run.turn();
  BOOST_TEST(run.decisions_text() == "activity:C#1002");
  run.complete(1002);
  run.turn();
  run.complete(1003);
  run.turn();
  BOOST_TEST(run.output() == "1005");
}

// The arguments of both kinds, and a task that ends without waiting.
BOOST_AUTO_TEST_CASE(tasks_and_requests_are_mixed) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<int> {
                    auto timer = ctx.create_timer(1s);
                    auto number = ctx.call_activity<int>("Number");
                    auto [a, b, c, d] = co_await when_all(
                      at_once(ctx, 1), timer, number, call(ctx, "Call"));
                    static_cast<void>(b);
                    co_return a + c + d;
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(run.decisions_text()
             == "timer#1 activity:Number#2 activity:Call#3");
  run.complete(3, "100");
  run.turn();
  run.fire_timer(1);
  run.turn();
  run.complete(2, "10");
  run.turn();
  BOOST_TEST(run.output() == "111");
}

// Tasks that end at once do not suspend the awaiting coroutine, and a loop over
// them does not grow the stack.
BOOST_AUTO_TEST_CASE(finished_tasks_need_no_stack) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<int> {
                    int sum = 0;
                    for (int i = 0; i < 100'000; ++i) {
                      auto [a, b]
                        = co_await when_all(at_once(ctx, 1), at_once(ctx, 2));
                      sum += a + b;
                    }
                    co_return sum;
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(run.output() == "300000");
  BOOST_TEST(detail::frames_alive.load() == 0);
}

BOOST_AUTO_TEST_CASE(tasks_start_when_the_result_is_awaited) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<int> {
                    auto later = when_all(call(ctx, "A"), call(ctx, "B"));
                    auto never = when_all(call(ctx, "X"), call(ctx, "Y"));
                    co_await ctx.call_activity("Before");
                    auto [a, b] = co_await std::move(later);
                    co_return a + b;
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(run.decisions_text() == "activity:Before#1");
  run.complete(1);
  run.turn();
  BOOST_TEST(run.decisions_text() == "activity:A#2 activity:B#3");
  run.complete(2, "2");
  run.complete(3, "3");
  run.turn();
  BOOST_TEST(run.output() == "5");
  BOOST_TEST(detail::frames_alive.load() == 0);
}

BOOST_AUTO_TEST_CASE(awaiting_tasks_twice_throws) {
  turn_driver run(
    registry_with([](orchestration_context& ctx) -> task<std::string> {
      std::string text;
      auto group = when_all(at_once(ctx, 1), at_once(ctx, 2));
      co_await std::move(group);
      try {
        co_await std::move(group);
      } catch (const std::logic_error& error) {
        text += error.what();
      }
      auto helper = at_once(ctx, 1);
      co_await std::move(helper);
      auto again = std::move(helper);
      try {
        co_await when_all(std::move(again), call(ctx, "Never"));
      } catch (const std::logic_error& error) {
        text += std::string("; ") + error.what();
      }
      try {
        std::vector<task<int>> none;
        co_await when_any(ctx, std::move(none));
      } catch (const std::invalid_argument& error) {
        text += std::string("; ") + error.what();
      }
      co_return text;
    }),
    "Ship");
  run.turn();
  BOOST_TEST(run.output()
             == "\"a when_all or when_any of tasks can be awaited once; a "
                "task<T> can be awaited once; when_any needs at least one "
                "member\"");
  BOOST_TEST(run.decisions_text() == "");
}

// All tasks end before the exception of the first one in the list is thrown.
BOOST_AUTO_TEST_CASE(when_all_throws_the_exception_of_the_first_failed_task) {
  turn_driver run(
    registry_with([](orchestration_context& ctx) -> task<std::string> {
      auto activity = ctx.call_activity<int>("A");
      std::string text;
      try {
        co_await when_all(call(ctx, "Good"), call_and_throw(ctx, "First"),
                          activity, call_and_throw(ctx, "Second"));
      } catch (const std::out_of_range& failure) {
        text = failure.what();
      }
      co_return text;
    }),
    "Ship");
  run.turn();
  run.complete(4);
  run.turn();
  run.fail(1);
  run.turn();
  run.complete(3);
  run.turn();
  BOOST_TEST(!run.has_ended());
  run.complete(2, "1");
  run.turn();
  BOOST_TEST(run.output() == "\"First\"");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors::test
