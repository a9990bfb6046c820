#include "tests/actors/turn_driver.hpp"

#include <chrono>

using namespace std::chrono_literals;

namespace perdura::actors::test {

namespace {

std::shared_ptr<registry> with(auto orchestrator) {
  auto r = std::make_shared<registry>();
  r->add_orchestrator("Ship", orchestrator);
  return r;
}

history_event begin_of(std::string name) {
  execution_started started;
  started.name = std::move(name);
  return {begin_of_time, std::move(started)};
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

/// Counts what is alive, as a local of a frame that may be evicted.
struct tracked {
  static inline int alive = 0;

  tracked() {
    ++alive;
  }

  tracked(const tracked&) {
    ++alive;
  }

  ~tracked() {
    --alive;
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(task_and_pending)

BOOST_AUTO_TEST_CASE(a_million_helpers_that_never_wait_need_no_stack) {
  turn_driver run(with([](orchestration_context& ctx) -> task<int> {
                    int sum = 0;
                    for (int i = 0; i < 1'000'000; ++i)
                      sum += co_await one(ctx);
                    co_return sum;
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(run.output() == "1000000");
}

BOOST_AUTO_TEST_CASE(a_million_finished_awaits_need_no_stack) {
  turn_driver run(with([](orchestration_context& ctx) -> task<int> {
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

BOOST_AUTO_TEST_CASE(a_hundred_waiting_helpers_return_one_into_the_other) {
  turn_driver run(with([](orchestration_context& ctx) -> task<int> {
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

BOOST_AUTO_TEST_CASE(a_helpers_exception_reaches_the_code_that_awaits_it) {
  turn_driver run(with([](orchestration_context& ctx) -> task<std::string> {
                    try {
                      co_await throws(ctx);
                    } catch (const std::out_of_range& failure) {
                      co_return failure.what();
                    }
                    co_return "nothing";
                  }),
                  "Ship");
  run.turn();
  run.fire(1);
  run.turn();
  BOOST_TEST(run.output() == "\"no such city\"");
}

BOOST_AUTO_TEST_CASE(a_run_destroyed_while_it_waits_leaves_no_frame) {
  {
    turn_driver run(with([](orchestration_context& ctx) -> task<int> {
                      tracked local;
                      co_return co_await deep(ctx, 10);
                    }),
                    "Ship");
    run.turn();
    BOOST_TEST(tracked::alive == 1);
    BOOST_TEST(detail::frames_alive.load() == 12);
  }
  BOOST_TEST(tracked::alive == 0);
  BOOST_TEST(detail::frames_alive.load() == 0);
}

BOOST_AUTO_TEST_CASE(a_helper_may_be_kept_and_awaited_later) {
  turn_driver run(with([](orchestration_context& ctx) -> task<int> {
                    auto later = deep(ctx, 2);
                    int before = co_await ctx.call_activity<int>("Before");
                    co_return before + co_await std::move(later);
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(run.asked() == "activity:Before#1"); // it starts when awaited
  run.complete(1, "10");
  run.turn();
  BOOST_TEST(run.asked() == "activity:Bottom#2");
  run.complete(2, "1");
  run.turn();
  BOOST_TEST(run.output() == "13");
}

BOOST_AUTO_TEST_CASE(awaiting_a_helper_twice_is_said_not_undefined) {
  turn_driver run(with([](orchestration_context& ctx) -> task<int> {
                    auto helper = one(ctx);
                    co_await std::move(helper);
                    co_return co_await std::move(helper);
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(run.failure().type == "std::logic_error");
  BOOST_TEST(run.failure().message == "a task<T> is awaited once");
}

BOOST_AUTO_TEST_CASE(an_outcome_gives_the_value_or_the_failure) {
  turn_driver run(with([](orchestration_context& ctx) -> task<std::string> {
                    auto first = ctx.call_activity<int>("A");
                    auto second = ctx.call_activity("B");
                    auto a = co_await first.as_outcome();
                    auto b = co_await second.as_outcome();
                    std::string text = a ? std::to_string(*a) : "failed";
                    if (!b)
                      text
                        += " " + b.failure().type + ": " + b.failure().message;
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
  BOOST_TEST((run.last.failures_taken == std::vector<task_sequence>{2}));
}

BOOST_AUTO_TEST_CASE(ten_thousand_activities_cost_the_same_each) {
  auto functions = with([](orchestration_context& ctx) -> task<int> {
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
        {1, {begin_of_time, task_completed{task.sequence, "1"}}});
      outcome = run.run_turn(std::move(next));
    }
    halves[half] = std::chrono::steady_clock::now() - begin;
  }
  BOOST_TEST(std::get<completed_result>(outcome.result).result == "10000");
  // Generous: the machine is shared. Quadratic would be three times as long.
  BOOST_TEST((halves[1] < 3 * halves[0] + 50ms));
}

BOOST_AUTO_TEST_CASE(a_fan_out_of_ten_thousand_is_gathered_in_one_pass) {
  auto functions = with([](orchestration_context& ctx) -> task<int> {
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
    next.deliveries.push_back({i, {begin_of_time, task_completed{i, "1"}}});
    outcome = run.run_turn(std::move(next));
  }
  BOOST_TEST(std::get<completed_result>(outcome.result).result == "10000");
  BOOST_TEST((std::chrono::steady_clock::now() - begin < 3s));
}

BOOST_AUTO_TEST_CASE(racing_again_and_again_does_not_remember_every_race) {
  // As they complete: a thousand races over what is left.
  turn_outcome outcome;
  auto functions = with([](orchestration_context& ctx) -> task<int> {
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
    item.deliveries.push_back({i, {begin_of_time, task_completed{i, "1"}}});
  outcome = run.run_turn(item);
  BOOST_TEST(std::get<completed_result>(outcome.result).result == "1000");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors::test
