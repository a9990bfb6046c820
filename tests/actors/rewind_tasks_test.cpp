// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/task_samples.hpp"

#include <exception>

// Rewind of an orchestrator whose tasks run side by side: a failure in one task
// is repeated, and the activities of the other tasks do not run again.

namespace perdura::actors::test {

namespace {

task<std::string> three_orders(orchestration_context& ctx) {
  std::vector<task<std::string>> orders;
  for (const char* const item : {"a", "b", "c"})
    orders.push_back(price_and_order(ctx, item));
  std::string text;
  auto all = co_await when_all(ctx, std::move(orders));
  for (const std::string& one : all)
    text += one;
  co_return text;
}

/// The number from an event; text is refused.
task<std::string> number_of(orchestration_context& ctx, std::string event) {
  const int number = co_await ctx.wait_for_external_event<int>(event);
  co_return std::to_string(number);
}

task<std::string> nested_orders(orchestration_context& ctx) {
  std::string text;
  try {
    auto [a, b, c] = co_await when_all(three_orders(ctx), number_of(ctx, "E"),
                                       price_and_order(ctx, "d"));
    text = a + b + c;
  } catch (...) {
    std::throw_with_nested(std::runtime_error("no orders"));
  }
  co_return text;
}

task<std::string> first_order(orchestration_context& ctx) {
  auto first
    = co_await when_any(price_and_order(ctx, "a"), price_and_order(ctx, "b"));
  std::string after = co_await ctx.call_activity<std::string>("After");
  std::string text = first.index() == 0 ? first.result<0>().value()
                                        : first.result<1>().value();
  co_return text + after;
}

void complete_all(turn_driver& run,
                  std::initializer_list<task_sequence> tasks) {
  for (const task_sequence one : tasks)
    run.complete(one, "\"" + std::to_string(one) + "\"");
}

} // namespace

BOOST_AUTO_TEST_SUITE(rewind_tasks)

BOOST_AUTO_TEST_CASE(other_chains_are_not_repeated) {
  turn_driver run(registry_with(three_orders), "Ship");
  run.turn();
  complete_all(run, {1, 2, 3});
  run.turn();
  BOOST_TEST(run.decisions_text()
             == "activity:Order#4 activity:Order#5 activity:Order#6");
  run.fail(5);
  run.turn();
  complete_all(run, {6});
  run.turn();
  complete_all(run, {4});
  run.turn();
  BOOST_TEST(run.failure().type == "activity_failed");
  BOOST_TEST((run.last.causes.tasks == sequences({5})));
  run.rewind();
  run.turn();
  BOOST_TEST(run.decisions_text() == "");
  BOOST_TEST((run.open.size() == 1U && run.open.contains(7)));
  complete_all(run, {7});
  run.turn();
  BOOST_TEST(run.output() == "\"476\"");
}

// A chain that fails at its first step continues after the rewind while the
// others have ended.
BOOST_AUTO_TEST_CASE(failed_chain_continues_after_the_rewind) {
  turn_driver run(registry_with(three_orders), "Ship");
  run.turn();
  run.fail(1);
  run.turn();
  complete_all(run, {3, 2});
  run.turn();
  complete_all(run, {4, 5});
  run.turn();
  BOOST_TEST(run.failure().type == "activity_failed");
  run.rewind();
  run.turn();
  BOOST_TEST(run.decisions_text() == "");
  complete_all(run, {6});
  run.evict();
  run.turn();
  BOOST_TEST(run.decisions_text() == "activity:Order#7");
  complete_all(run, {7});
  run.turn();
  BOOST_TEST(run.output() == "\"754\"");
}

// One rewind repeats the failures of all tasks of the group, also in groups
// within it, and an event that a task could not read.
BOOST_AUTO_TEST_CASE(one_rewind_repeats_the_failures_of_all_chains) {
  turn_driver run(registry_with(nested_orders), "Ship");
  run.turn();
  run.raise("E", "\"text\"");
  run.turn();
  run.fail(1);
  run.turn();
  complete_all(run, {2});
  run.turn();
  run.fail(3);
  run.turn();
  complete_all(run, {4});
  run.turn();
  run.fail(5);
  run.turn();
  run.fail(6);
  run.turn();
  BOOST_TEST((run.last.causes.tasks == sequences({1, 3, 5, 6})));
  BOOST_TEST(run.last.causes.events.size() == 1U);
  run.rewind();
  run.turn();
  BOOST_TEST(run.decisions_text() == "");
  BOOST_TEST(run.open.size() == 4U);
  run.raise("E", "5");
  complete_all(run, {7, 8, 9, 10});
  run.turn();
  BOOST_TEST(run.last.decisions.size() == 2U);
  complete_all(run, {11, 12});
  run.turn();
  BOOST_TEST(run.has_ended());
  BOOST_TEST(run.failure().message == "");
}

// The second order fails first, so the first one is destroyed. After the rewind
// the second one wins again.
BOOST_AUTO_TEST_CASE(failed_winner_is_repeated) {
  turn_driver run(registry_with(first_order), "Ship");
  run.turn();
  complete_all(run, {2});
  run.turn();
  run.fail(3);
  run.turn();
  BOOST_TEST(run.decisions_text() == "activity:After#4");
  complete_all(run, {4});
  run.turn();
  BOOST_TEST((run.last.causes.tasks == sequences({3})));
  run.rewind();
  run.turn();
  BOOST_TEST(run.decisions_text() == "");
  complete_all(run, {5});
  run.turn();
  BOOST_TEST(run.output() == "\"54\"");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors::test
