// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/rewind_samples.hpp"

// Histories that programs before format 3 have written.

using namespace std::chrono_literals;

namespace perdura::actors::test {

using persistence::failure_causes;
using persistence::rewind_rule;

namespace {

/// Removes the record of the causes from the failed end.
void forget_causes(turn_driver& run) {
  for (history_event& event : run.history)
    if (auto* end = std::get_if<execution_completed>(&event.body))
      end->causes = {};
}

/// Rewinds as a program before format 3 has done.
void rewind_as_before(turn_driver& run) {
  forget_causes(run);
  run.rewind();
  auto& rewound = std::get<execution_rewound>(run.history.back().body);
  rewound.rule = rewind_rule::last_turn;
  rewound.repeats_failures = false;
  rewound.dropped.clear();
}

} // namespace

BOOST_AUTO_TEST_SUITE(rewind_old_history)

// The messages of the failed turn have the time of the next turn, and decisions
// match without their inputs.
BOOST_AUTO_TEST_CASE(old_rewind_is_replayed_as_before) {
  orchestrator_function f
    = [](orchestration_context& ctx) -> task<std::string> {
    auto a = ctx.call_activity<std::string>("A");
    auto b = ctx.call_activity<std::string>("B");
    auto x = co_await a;
    const std::string seen
      = std::to_string(ctx.current_time().time_since_epoch() / 1s);
    auto c = ctx.call_activity<std::string>("C", seen);
    auto timer = ctx.create_timer(10s);
    x += co_await b;
    x += co_await c;
    co_await timer;
    co_return x + seen;
  };
  turn_driver run(registry_with(f), "Ship");
  run.turn();
  run.complete(1, "\"a\"");
  run.fail(2);
  run.turn();
  BOOST_TEST(run.decisions_text() == "activity:C#3 timer#4");
  rewind_as_before(run);
  run.now += 100s;
  const std::string now = std::to_string(run.now.time_since_epoch() / 1s);
  run.turn();
  BOOST_TEST(run.decisions_text() == "");
  run.complete(3, "\"c\"");
  run.complete(5, "\"b\"");
  run.turn();
  run.evict();
  run.fire_timer(4);
  run.turn();
  BOOST_TEST(run.output() == "\"abc" + now + "\"");
}

// The history does not tell why the code has failed: what it had handled runs
// again only if nothing else does. Attempts that were retried do not.
BOOST_AUTO_TEST_CASE(handled_failures_run_again_if_nothing_else_does) {
  orchestrator_function f
    = [](orchestration_context& ctx) -> task<std::string> {
    auto a = ctx.call_activity<std::string>("A");
    co_await when_any(a);
    auto r = co_await ctx.call_activity<std::string>(
      "R", nullptr, {.retry = {.attempts_max = 2}});
    auto b = co_await ctx.call_activity<std::string>("B");
    co_return r + b + co_await a;
  };
  turn_driver run(registry_with(f), "Ship");
  run.turn();
  run.fail(1);
  run.turn();
  run.fail(2);
  run.turn();
  run.fire_timer(3);
  run.turn();
  run.complete(4, "\"r\"");
  run.turn();
  run.fail(5);
  run.turn();
  forget_causes(run);
  run.rewind();
  BOOST_TEST(run.last_rewind().reruns.size() == 1U); // B
  run.turn();
  run.complete(6, "\"b\"");
  run.turn();
  BOOST_TEST(run.has_ended());
  forget_causes(run);
  run.rewind();
  BOOST_TEST_REQUIRE(run.last_rewind().reruns.size() == 1U); // A
  BOOST_TEST(run.last_rewind().reruns[0].old_sequence == 1U);
  run.turn();
  run.complete(7, "\"a\"");
  run.turn();
  run.fire_timer(8); // the pause of the retry policy
  run.turn();
  BOOST_TEST(run.output() == "\"rba\"");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors::test
