// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/task_samples.hpp"

#include <memory>

using namespace std::chrono_literals;

namespace perdura::actors::test {

BOOST_AUTO_TEST_SUITE(when_tasks_lifetime)

// The awaiting coroutine continues with the first task. The other one runs no
// further, although its result comes in the same turn.
BOOST_AUTO_TEST_CASE(loser_of_when_any_runs_no_further) {
  turn_driver run(
    registry_with([](orchestration_context& ctx) -> task<std::string> {
      std::vector<task<std::string>> orders;
      orders.push_back(price_and_order(ctx, "a"));
      orders.push_back(price_and_order(ctx, "b"));
      auto first = co_await when_any(ctx, std::move(orders));
      std::string text = first.result().value();
      text += std::to_string(first.index());
      co_await ctx.call_activity("After");
      co_return text;
    }),
    "Ship");
  run.turn();
  run.complete(2, "\"20\"");
  run.turn();
  BOOST_TEST(run.decisions_text() == "activity:Order#3");
  run.complete(3, "\"B\"");
  run.complete(1, "\"10\"");
  run.turn();
  BOOST_TEST(run.decisions_text() == "activity:After#4");
  run.complete(4);
  run.turn();
  BOOST_TEST(run.output() == "\"B1\"");
}

// Both tasks wait for the same request. The first one ends, and the second is
// destroyed before it is resumed.
BOOST_AUTO_TEST_CASE(loser_that_is_ready_is_not_resumed) {
  struct code {
    static task<int> after(orchestration_context& ctx, pending<void> shared,
                           std::string name) {
      counted_local local;
      co_await shared;
      ctx.set_custom_status(name);
      co_return 7;
    }
  };

  turn_driver run(registry_with([](orchestration_context& ctx) -> task<int> {
                    auto shared = ctx.call_activity("Shared");
                    auto first = co_await when_any(
                      code::after(ctx, shared, "A"),
                      code::after(ctx, shared, "B"), shared);
                    const int alive = counted_local::alive;
                    co_return static_cast<int>(first.index()) * 10 + alive;
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(counted_local::alive == 2);
  run.complete(1);
  run.turn();
  // The request itself is completed before the tasks that wait for it continue.
  BOOST_TEST(run.output() == "20");
  BOOST_TEST(run.custom_status == "");
  BOOST_TEST(counted_local::alive == 0);
}

// Timers and waits of a destroyed task are closed; an event that comes later is
// kept for another wait.
BOOST_AUTO_TEST_CASE(timers_and_waits_of_a_loser_are_cancelled) {
  turn_driver run(
    registry_with([](orchestration_context& ctx) -> task<std::string> {
      auto first
        = co_await when_any(call(ctx, "Work"), wait_for(ctx, "Go"),
                            sleep_for(ctx, 3600s), wait_at_most(ctx, "Stop"));
      const bool worked = first.index() == 0;
      std::string data
        = co_await ctx.wait_for_external_event<std::string>("Go");
      co_return std::to_string(worked) + data;
    }),
    "Ship");
  run.turn();
  BOOST_TEST(run.decisions_text() == "activity:Work#1 timer#2 timer#3");
  BOOST_TEST(run.waits.size() == 2U);
  run.complete(1, "1");
  run.turn();
  BOOST_TEST((run.last.timers_cancelled == sequences({2, 3})));
  BOOST_TEST((run.last.waits_closed == sequences({wait_1, wait_2})));
  BOOST_TEST(run.open.empty());
  BOOST_TEST(run.waits.size() == 1U);
  run.raise("Go", "\"!\"");
  run.turn();
  BOOST_TEST(run.output() == "\"1!\"");
}

// A timer limits the time of a chain. The chain's activity runs to its end, and
// its result is not used.
BOOST_AUTO_TEST_CASE(request_can_win_against_a_task) {
  turn_driver run(
    registry_with([](orchestration_context& ctx) -> task<std::string> {
      auto deadline = ctx.create_timer(10s);
      auto first = co_await when_any(price_and_order(ctx, "a"), deadline);
      if (first == deadline)
        co_await ctx.call_activity("Cancel");
      std::string text = "late";
      try {
        text = first.result<0>().value();
      } catch (const std::logic_error&) {
        text += "!";
      }
      co_return text;
    }),
    "Ship");
  run.turn();
  run.fire_timer(1);
  run.turn();
  BOOST_TEST(run.decisions_text() == "activity:Cancel#3");
  BOOST_TEST(detail::frames_alive.load() == 1);
  run.complete(2, "\"20\"");
  run.turn();
  BOOST_TEST(run.decisions_text() == "");
  run.complete(3);
  run.turn();
  BOOST_TEST(run.output() == "\"late!\"");
}

BOOST_AUTO_TEST_CASE(failed_task_can_be_the_first) {
  turn_driver run(
    registry_with([](orchestration_context& ctx) -> task<std::string> {
      auto first = co_await when_any(call(ctx, "A"), call_and_throw(ctx, "B"));
      auto& result = first.result<1>();
      co_return result ? "value" : result.failure().message;
    }),
    "Ship");
  run.turn();
  run.complete(2);
  run.turn();
  BOOST_TEST(run.output() == "\"B\"");
}

// A task that ends at once is the first, and the tasks after it do not start.
BOOST_AUTO_TEST_CASE(when_any_starts_no_task_after_a_finished_one) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<int> {
                    auto first = co_await when_any(
                      call(ctx, "A"), at_once(ctx, 4), call(ctx, "Never"));
                    co_return first.result<1>().value();
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(run.decisions_text() == "activity:A#1");
  BOOST_TEST(run.output() == "4");
}

// when_all of when_any of tasks, in several levels.
BOOST_AUTO_TEST_CASE(groups_are_nested) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<int> {
                    auto [a, b, c] = co_await when_all(
                      first_of_pair(ctx, "A", "B"), pair_of(ctx, "C", "D"),
                      first_of_pair(ctx, "E", "F"));
                    auto first = co_await when_any(
                      pair_of(ctx, "G", "H"), first_of_pair(ctx, "I", "J"));
                    co_return a + b + c + static_cast<int>(first.index());
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(detail::frames_alive.load() == 10);
  run.complete(2, "1");  // B
  run.complete(6, "10"); // F
  run.turn();
  BOOST_TEST(detail::frames_alive.load() == 6);
  run.complete(1, "1000"); // A: not used
  run.complete(3, "100");  // C
  run.turn();
  run.complete(4, "200"); // D
  run.turn();
  BOOST_TEST(run.last.decisions.size() == 4U);
  run.complete(7, "5"); // G
  run.turn();
  run.complete(10, "5"); // J
  run.turn();
  BOOST_TEST(run.output() == "312");
  BOOST_TEST(detail::frames_alive.load() == 0);
}

// A task may change a local variable of the coroutine that awaits it.
BOOST_AUTO_TEST_CASE(tasks_share_a_local_variable) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<int> {
                    int sum = 0;
                    co_await when_all(add_to(ctx, sum, "A"),
                                      add_to(ctx, sum, "B"));
                    co_return sum;
                  }),
                  "Ship");
  run.turn();
  run.complete(2, "2");
  run.turn();
  run.complete(1, "1");
  run.turn();
  BOOST_TEST(run.output() == "3");
}

BOOST_AUTO_TEST_CASE(move_only_results_are_moved) {
  struct code {
    static task<std::unique_ptr<int>> make(orchestration_context& ctx,
                                           std::string name) {
      int value = co_await ctx.call_activity<int>(name);
      co_return std::make_unique<int>(value);
    }
  };

  turn_driver run(registry_with([](orchestration_context& ctx) -> task<int> {
                    std::vector<task<std::unique_ptr<int>>> list;
                    list.push_back(code::make(ctx, "A"));
                    list.push_back(code::make(ctx, "B"));
                    auto values = co_await when_all(ctx, std::move(list));
                    auto first = co_await when_any(code::make(ctx, "C"),
                                                   code::make(ctx, "D"));
                    std::unique_ptr<int> one
                      = std::move(first.result<0>().value());
                    co_return *values[0] + *values[1] + *one;
                  }),
                  "Ship");
  run.turn();
  run.complete(1, "1");
  run.complete(2, "2");
  run.turn();
  run.complete(3, "4");
  run.turn();
  BOOST_TEST(run.output() == "7");
}

// The run is destroyed at each suspension.
BOOST_AUTO_TEST_CASE(destroying_a_run_destroys_all_frames_once) {
  const auto functions
    = registry_with([](orchestration_context& ctx) -> task<void> {
        counted_local local;
        auto group
          = when_all(with_local(ctx, "A"), first_of_pair(ctx, "B", "C"));
        auto unused = when_any(with_local(ctx, "X"), with_local(ctx, "Y"));
        auto first
          = co_await when_any(with_local(ctx, "D"), pair_of(ctx, "E", "F"));
        static_cast<void>(first);
        co_await std::move(group);
      });
  for (int steps = 0; steps < 5; ++steps) {
    {
      turn_driver run(functions, "Ship");
      run.turn();
      for (task_sequence i = 1; i <= static_cast<task_sequence>(steps); ++i) {
        run.complete(i, "1");
        run.turn();
      }
    }
    BOOST_TEST(counted_local::alive == 0);
    BOOST_TEST(detail::frames_alive.load() == 0);
  }
}

BOOST_AUTO_TEST_CASE(changed_order_of_chains_is_found_by_a_replay) {
  const auto recorded
    = registry_with([](orchestration_context& ctx) -> task<int> {
        auto [a, b] = co_await when_all(call(ctx, "A"), call(ctx, "B"));
        co_return a + b;
      });
  const auto swapped
    = registry_with([](orchestration_context& ctx) -> task<int> {
        auto [b, a] = co_await when_all(call(ctx, "B"), call(ctx, "A"));
        co_return a + b;
      });
  turn_driver run(recorded, "Ship");
  run.turn();
  BOOST_TEST(run.reason_held(recorded) == "not held");
  BOOST_TEST(run.reason_held(swapped)
             == "event 2 of \"order-17\" scheduled activity A; the code now "
                "asks for activity B");
}

// A chain that makes another request than before is found, too.
BOOST_AUTO_TEST_CASE(changed_step_of_a_chain_is_found_by_a_replay) {
  const auto recorded
    = registry_with([](orchestration_context& ctx) -> task<void> {
        co_await when_all(call_twice(ctx, "A"), call_twice(ctx, "B"));
      });
  const auto changed
    = registry_with([](orchestration_context& ctx) -> task<void> {
        auto once = ctx.call_activity("A");
        co_await when_all(once, call_twice(ctx, "B"));
      });
  turn_driver run(recorded, "Ship");
  run.turn();
  BOOST_TEST(run.reason_held(changed) == "not held");
  run.complete(2);
  run.complete(1);
  run.turn();
  BOOST_TEST(run.decisions_text() == "activity:B#3 activity:A#4");
  BOOST_TEST(run.reason_held(changed)
             == "event 9 of \"order-17\" scheduled activity A; the code now "
                "asks for nothing");
}

// The new execution begins when the orchestrator returns.
BOOST_AUTO_TEST_CASE(task_can_continue_as_new) {
  struct code {
    static task<void> renew(orchestration_context& ctx, int next) {
      co_await ctx.call_activity("Renew");
      ctx.continue_as_new(next);
    }
  };

  auto functions = std::make_shared<registry>();
  functions->add_orchestrator(
    "Ship", [](orchestration_context& ctx, int round) -> task<int> {
      co_await when_all(code::renew(ctx, round + 1), call(ctx, "A"));
      co_return 0;
    });
  turn_driver run(functions, "Ship", "4");
  run.turn();
  run.complete(1);
  run.turn();
  BOOST_TEST(!run.has_ended());
  run.complete(2, "1");
  run.turn();
  BOOST_TEST(run.continued().input == "5");
}

// The decision limit fails the task that exceeds it; the others are not
// affected.
BOOST_AUTO_TEST_CASE(limit_of_decisions_fails_one_task) {
  struct code {
    static task<int> request_many(orchestration_context& ctx) {
      for (int i = 0; i < 20'000; ++i)
        std::ignore = ctx.create_timer(1s);
      co_return 1;
    }
  };

  turn_driver run(registry_with([](orchestration_context& ctx) -> task<int> {
                    auto first = co_await when_any(call(ctx, "A"),
                                                   code::request_many(ctx));
                    auto& result = first.result<1>();
                    co_return result ? 0 : 1;
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(run.output() == "1");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors::test
