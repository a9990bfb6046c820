// SPDX-License-Identifier: Apache-2.0
// Retries do not fill the history: the call fails before, and the code can
// handle it (finding R21).
#include "tests/actors/partition_fixture.hpp"

namespace perdura::tests {

using namespace actors;
using namespace persistence;

using namespace std::chrono_literals;

namespace {

/// Retries an activity that always fails, as often as possible.
task<std::string> retry_for_ever(orchestration_context& ctx,
                                 std::string input) {
  try {
    co_await ctx.call_activity<json>(
      "Fails", input,
      {.retry = {.attempts_max = 2'000'000'000, .interval_first = 1ms}});
  } catch (const actors::task_failed& failure) {
    co_return failure.type() + ": " + failure.message();
  }
  co_return "done";
}

/// Calls many activities at once, of which the first one fails once.
task<int> fan_out(orchestration_context& ctx, int count) {
  std::vector<pending<int>> calls;
  for (int i = 0; i < count; ++i)
    calls.push_back(ctx.call_activity<int>(i == 0 ? "FailsOnce" : "Give", i,
                                           {.retry = {.attempts_max = 3}}));
  co_await when_all(ctx, calls);
  co_return count;
}

struct retry_fixture : partition_fixture {
  retry_fixture() {
    auto functions = std::make_shared<registry>();
    add_test_functions(*functions);
    functions->add_orchestrator("Retries", retry_for_ever)
      .add_orchestrator("FanOut", fan_out)
      .add_activity(
        "Fails",
        [](const std::string&) { throw std::runtime_error("card declined"); })
      .add_activity("FailsOnce", [this](int value) {
        if (!failed) {
          failed = true;
          throw std::runtime_error("once");
        }
        return value;
      });
    node.set_functions(functions);
    node.crash_and_recover();
  }

  void finish(const instance_id& id) {
    const auto has_ended
      = [&] { return counters().completed + counters().failed > 0; };
    for (int i = 0; i < 1'000 && !node.run_until(has_ended); ++i) {
    }
    node.run_until_idle();
    BOOST_TEST_REQUIRE(is_finished(status_of(id)));
  }

  bool failed = false;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(retry_bounds, retry_fixture)

BOOST_AUTO_TEST_CASE(call_fails_before_the_history_is_full_of_events) {
  node.ask(start_request("i", "Retries", "\"a\""));
  finish("i");
  BOOST_TEST((status_of("i") == runtime_status::completed));
  const std::string output = output_of("i");
  BOOST_TEST(output.find("limit_exceeded: the call was not retried")
               != std::string::npos,
             output);
  BOOST_TEST(output.find("history_events_max") != std::string::npos, output);
  BOOST_TEST(output.find("card declined") != std::string::npos, output);
  BOOST_TEST(node.stored("i")->record.history_count
             <= history_events_max - retry_events_reserved + 10);
}

// Each attempt stores its input of 1 MB.
BOOST_AUTO_TEST_CASE(call_fails_before_the_history_is_full_of_bytes) {
  node.ask(
    start_request("i", "Retries", '"' + std::string(1'000'000, 'x') + '"'));
  finish("i");
  BOOST_TEST((status_of("i") == runtime_status::completed));
  BOOST_TEST(output_of("i").find("history_bytes_max") != std::string::npos);
  BOOST_TEST(node.stored("i")->record.history_bytes < history_bytes_max);
}

// The bound does not concern a large fan-out whose calls end.
BOOST_AUTO_TEST_CASE(one_call_of_a_large_fan_out_is_retried) {
  node.ask(start_request("i", "FanOut", "9000"));
  finish("i");
  BOOST_TEST(output_of("i") == "9000");
  BOOST_TEST(failed);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
