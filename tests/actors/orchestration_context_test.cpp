// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/single_orchestrator.hpp"

#include <stdexcept>
#include <tuple>

using namespace std::chrono_literals;

namespace perdura::actors::test {

BOOST_AUTO_TEST_SUITE(orchestration_limits)

// The code sends events until limit_exceeded is thrown. In the next turn, the
// code makes the same number of decisions and then one more, which fails the
// instance.
BOOST_AUTO_TEST_CASE(turn_makes_at_most_10000_decisions) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<int> {
                    int accepted = 0;
                    try {
                      for (;; ++accepted)
                        ctx.send_event("b", "Go");
                    } catch (const limit_exceeded&) {
                    }
                    co_await ctx.wait_for_external_event("Next");
                    ctx.send_event("b", "Go"); // a new turn, counted from 0
                    for (int i = 1; i < accepted; ++i)
                      ctx.send_event("b", "Go");
                    ctx.send_event("b", "Go");
                    co_return accepted;
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(run.last.decisions.size() == decisions_per_turn_max);
  run.raise("Next");
  run.turn();
  BOOST_TEST(run.failure().type == "limit_exceeded");
  BOOST_TEST(
    run.failure().message
    == "decisions_per_turn_max: \"order-17\" requested more than 10000 "
       "tasks, timers and events in one turn; await some of them first");
}

// A value that exceeds a limit makes the call throw, and no decision is made.
// The code can continue.
BOOST_AUTO_TEST_CASE(oversized_values_are_refused_at_the_call) {
  turn_driver run(
    registry_with([](orchestration_context& ctx) -> task<json> {
      const std::string large(payload_bytes_max, 'x');
      json said;
      auto note = [&](auto ask) {
        try {
          ask();
        } catch (const limit_exceeded& refused) {
          said.push_back(refused.what());
        }
      };
      note([&] { std::ignore = ctx.call_activity("A", large); });
      note([&] { std::ignore = ctx.call_sub_orchestration("C", large); });
      note([&] { ctx.send_event("b", "Go", large); });
      note([&] { ctx.continue_as_new(large); });
      note([&] { ctx.set_custom_status(std::string(16 * 1024 - 1, 'x')); });
      ctx.set_custom_status(std::string(16 * 1024 - 2, 'x'));
      co_return said;
    }),
    "Ship");
  run.turn();
  BOOST_TEST(run.decisions_text() == "");
  BOOST_TEST(run.custom_status.size() == custom_status_bytes_max);
  const json said = json::parse(run.output());
  BOOST_TEST_REQUIRE(said.size() == 5U);
  BOOST_TEST(said[0]
             == "payload_bytes_max: the input of activity A takes "
                "1048578 bytes, 1048576 are allowed");
  BOOST_TEST(said[2].get<std::string>().starts_with(
    "payload_bytes_max: the data of event Go"));
  BOOST_TEST(said[4]
             == "custom_status_bytes_max: the custom status takes "
                "16385 bytes, 16384 are allowed");
}

// An output is unwritable if it is too large or is not UTF-8.
BOOST_AUTO_TEST_CASE(unwritable_output_fails_the_instance) {
  turn_driver large(
    registry_with([](orchestration_context&) -> task<std::string> {
      co_return std::string(payload_bytes_max, 'x');
    }),
    "Ship");
  large.turn();
  BOOST_TEST(large.failure().type == "limit_exceeded");
  turn_driver bad(
    registry_with(
      [](orchestration_context&) -> task<std::string> { co_return "\xFF"; }),
    "Ship");
  bad.turn();
  BOOST_TEST(bad.failure().type == "payload_error");
  BOOST_TEST(bad.failure().message.starts_with(
    "the output cannot be written as JSON: invalid UTF-8"));
}

// The code catches std::invalid_argument from eleven calls with invalid
// arguments.
BOOST_AUTO_TEST_CASE(invalid_names_and_ids_are_refused_at_the_call) {
  turn_driver run(
    registry_with([](orchestration_context& ctx) -> task<int> {
      int refused = 0;
      auto note = [&](auto ask) {
        try {
          ask();
        } catch (const std::invalid_argument&) {
          ++refused;
        }
      };
      note([&] { std::ignore = ctx.call_activity(""); });
      note([&] { std::ignore = ctx.call_activity("a\n"); });
      note([&] { std::ignore = ctx.wait_for_external_event(""); });
      note([&] { ctx.send_event("", "Go"); });
      note([&] { ctx.send_event("a/b", "Go"); });
      note([&] {
        std::ignore
          = ctx.call_sub_orchestration("C", nullptr, {.instance_id = "@c"});
      });
      note([&] {
        std::ignore
          = ctx.call_sub_orchestration("C", nullptr, {.instance_id = "."});
      });
      note([&] { ctx.send_event("..", "Go"); });
      note([&] {
        std::ignore
          = ctx.call_activity("A", nullptr, {.retry = {.attempts_max = 0}});
      });
      note([&] {
        std::ignore = ctx.call_activity("A", nullptr,
                                        {.retry = {.backoff_coefficient = 0}});
      });
      note([&] { std::ignore = when_any(ctx, std::vector<pending<int>>()); });
      co_return refused;
    }),
    "Ship");
  run.turn();
  BOOST_TEST(run.output() == "11");
}

BOOST_AUTO_TEST_SUITE_END()

namespace {

std::vector<std::string> logged;

void record_log(const instance_id& id, persistence::log_level level,
                const std::string& text) {
  logged.push_back(id + " " + std::string(to_string(level)) + ": " + text);
}

} // namespace

BOOST_AUTO_TEST_SUITE(orchestration_context_suite)

// After all tasks have ended, when_all throws the failure of B: B comes before
// C in the argument list, although C failed earlier. Both failures count as
// delivered to the code.
BOOST_AUTO_TEST_CASE(when_all_waits_for_all_and_throws_the_first_failure) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<void> {
                    auto a = ctx.call_activity("A");
                    auto b = ctx.call_activity("B");
                    auto c = ctx.call_activity("C");
                    co_await when_all(a, b, c);
                  }),
                  "Ship");
  run.turn();
  run.fail(3, "three");
  run.turn();
  run.fail(2, "two");
  run.turn();
  BOOST_TEST(!run.has_ended());
  run.complete(1);
  run.turn();
  BOOST_TEST(run.failure().message == "Activity function 'B' failed: two");

  BOOST_TEST((run.last.failures_received == sequences({2, 3})));
}

// A second when_any over the same tasks also returns the task that ended first.
BOOST_AUTO_TEST_CASE(when_any_returns_the_first_even_if_it_failed) {
  turn_driver run(
    registry_with([](orchestration_context& ctx) -> task<std::string> {
      auto a = ctx.call_activity("A");
      auto b = ctx.call_activity("B");
      auto first = co_await when_any(a, b);
      auto again = co_await when_any(a, b, b);
      const auto outcome = co_await b.as_outcome();
      co_return std::to_string(first.index()) + (again == b ? "b" : "a")
        + (outcome ? "" : " failed");
    }),
    "Ship");
  run.turn();
  run.fail(2);
  run.complete(1);
  run.turn();
  BOOST_TEST(run.output() == "\"1b failed\"");
}

// current_time() is the time at which the turn began. A timer with a fire time
// in the past keeps this time, and is due at once.
BOOST_AUTO_TEST_CASE(current_time_is_the_time_of_the_turn_also_in_replay) {
  turn_driver run(
    registry_with([](orchestration_context& ctx) -> task<json> {
      json times;
      auto note
        = [&] { times.push_back((ctx.current_time() - start_time).count()); };
      note();
      co_await ctx.create_timer(1500ms);
      note();
      co_await ctx.create_timer(start_time); // in the past
      note();
      co_return times;
    }),
    "Ship");
  run.turn();
  run.fire_timer(1);
  run.now += 1s;
  run.turn();
  BOOST_TEST((std::get<timer_created>(run.open.at(2)).fire_at == start_time));
  run.evict();
  run.fire_timer(2);
  run.turn();
  BOOST_TEST(run.output() == "[0,2500000,2500000]");
}

// A timer beyond the year 9999 fires at the last moment of that year. A timer
// with a negative duration is due at once.
BOOST_AUTO_TEST_CASE(very_long_timers_are_clamped) {
  turn_driver run(
    registry_with([](orchestration_context& ctx) -> task<void> {
      auto a = ctx.create_timer(std::chrono::hours::max());
      auto b = ctx.create_timer(std::chrono::duration<double>(1e300));
      auto c = ctx.create_timer(std::chrono::system_clock::time_point::max());
      auto d = ctx.create_timer(std::chrono::hours::min());
      auto e = ctx.create_timer(std::chrono::duration<double>(0.5));
      auto f = ctx.create_timer(24h * 365 * 10'000);
      co_await when_any(a, b, c, d, e, f);
    }),
    "Ship");
  run.turn();
  auto at = [&](task_sequence i) {
    return std::get<timer_created>(run.open.at(i)).fire_at;
  };
  const timestamp last
    = timestamp(std::chrono::sys_days(std::chrono::year(10'000) / 1 / 1)) - 1us;
  BOOST_TEST((at(1) == last));
  BOOST_TEST((at(2) == last));
  // std::chrono::system_clock counts nanoseconds and ends in the year 2262.
  BOOST_TEST((at(3) > run.now && at(3) < last));
  BOOST_TEST((at(4) == run.now));
  BOOST_TEST((at(5) == run.now + 500ms));
  BOOST_TEST((at(6) == last));
}

BOOST_AUTO_TEST_CASE(timers_at_the_ends_of_time_are_clamped) {
  turn_driver run(
    registry_with([](orchestration_context& ctx) -> task<void> {
      using seconds_time = std::chrono::sys_time<std::chrono::seconds>;
      auto a = ctx.create_timer(timestamp::max());
      auto b = ctx.create_timer(seconds_time::max());
      auto c = ctx.create_timer(timestamp::min());
      auto d = ctx.create_timer(seconds_time::min());
      auto e = ctx.create_timer(duration::max());
      auto f = ctx.wait_for_external_event("Go", std::chrono::hours::max());
      auto g = ctx.wait_for_external_event("Stop", -5ms);
      co_await when_any(a, b, c, d, e);
      co_await f;
      co_await g;
    }),
    "Ship");
  run.turn();
  const auto at = [&](task_sequence i) {
    return std::get<timer_created>(run.open.at(i)).fire_at;
  };
  const timestamp last
    = timestamp(std::chrono::sys_days(std::chrono::year(10'000) / 1 / 1)) - 1us;
  for (const task_sequence late : {1U, 2U, 5U, 6U})
    BOOST_TEST((at(late) == last));
  for (const task_sequence now : {3U, 4U, 7U})
    BOOST_TEST((at(now) <= run.now));
}

// The expected values must never change: with another algorithm, a replay would
// give running instances other GUIDs.
BOOST_AUTO_TEST_CASE(guids_are_unique_and_stable_in_replay) {
  auto functions = registry_with([](orchestration_context& ctx) -> task<json> {
    json all = json::array({ctx.new_guid(), ctx.new_guid()});
    co_await ctx.create_timer(1s);
    all.push_back(ctx.new_guid());
    co_return all;
  });
  turn_driver run(functions, "Ship");
  run.turn();
  run.fire_timer(1);
  run.turn();

  BOOST_TEST(
    run.output()
    == R"(["427f9a0d-ddbe-83b3-aee6-7f4efe89089c","73d4adf6-eabf-8427-bc08-a77b5d163a7c","b679375b-469c-812e-8007-97b4311ea913"])");
}

// The turn driver starts the instance as a child of "the-parent".
BOOST_AUTO_TEST_CASE(context_returns_the_ids_and_the_version) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<json> {
                    co_return json::array(
                      {ctx.instance_id(), ctx.execution_id(),
                       ctx.parent_instance_id(), ctx.name(), ctx.version()});
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(
    run.output()
    == R"(["order-17","00112233445566778899aabbccddeeff","the-parent","Ship",""])");
}

// The second turn replays the first one: its log line is not written again, and
// its custom status is not reported again.
BOOST_AUTO_TEST_CASE(log_lines_are_written_once_and_the_last_status_wins) {
  auto functions = registry_with([](orchestration_context& ctx) -> task<bool> {
    ctx.log_info("one");
    ctx.set_custom_status("first");
    ctx.set_custom_status(json{{"step", 1}});
    co_await ctx.create_timer(1s);
    ctx.log_warn("two");
    ctx.log_error("three");
    co_return ctx.is_replaying();
  });
  logged.clear();
  orchestration_run run(functions, record_log);
  orchestration_work_item item;
  item.instance = "order-17";
  item.cold = true;
  execution_started started;
  started.name = "Ship";
  item.history.push_back({start_time, started});
  turn_outcome first = run.run_turn(item);
  BOOST_TEST(*first.custom_status == R"({"step":1})");
  item.history.push_back({start_time, orchestrator_started{}});
  item.history.push_back({start_time, first.decisions.at(0)});
  item.history.push_back({start_time, orchestrator_completed{}});
  item.deliveries.push_back({1, {start_time, timer_fired{1, {}}}});
  turn_outcome second = run.run_turn(item);
  BOOST_TEST(!second.custom_status);
  BOOST_TEST(std::get<completed_result>(second.result).result == "false");
  BOOST_TEST(
    (logged
     == std::vector<std::string>{"order-17 info: one", "order-17 warning: two",
                                 "order-17 error: three"}));
}

// Key order, spaces and large numbers stay as they are.
BOOST_AUTO_TEST_CASE(json_text_passes_through_verbatim) {
  auto r = registry_with(
    [](orchestration_context& ctx, json_text in) -> task<json_text> {
      auto back = co_await ctx.call_activity<json_text>("A", in);
      co_return back;
    });
  const std::string text = R"({"z": 1,"a":123456789012345678901234567890})";
  turn_driver run(r, "Ship", text);
  run.turn();
  BOOST_TEST(std::get<task_scheduled>(run.open.at(1)).input == text);
  run.complete(1, text);
  run.turn();
  BOOST_TEST(run.output() == text);
}

// A thrown value that is not a std::exception also fails the instance.
BOOST_AUTO_TEST_CASE(thrown_int_fails_the_instance) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<void> {
                    co_await ctx.create_timer(1s);
                    throw 7;
                  }),
                  "Ship");
  run.turn();
  run.fire_timer(1);
  run.turn();
  BOOST_TEST(run.failure().type == "int");
  BOOST_TEST(run.failure().message == "unknown exception");
}

// A turn that is not cold continues the coroutine that earlier turns have left
// in memory. In this test there is no such coroutine.
BOOST_AUTO_TEST_CASE(warm_turn_without_a_coroutine_throws) {
  orchestration_run run(
    registry_with([](orchestration_context&) -> task<void> { co_return; }));
  BOOST_CHECK_THROW(run.run_turn({}), std::logic_error);
}

// The code resumes after each message, so that it makes the same decisions as
// if the messages had arrived in separate turns.
BOOST_AUTO_TEST_CASE(messages_of_one_turn_are_delivered_one_by_one) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<json> {
                    json order;
                    auto a = ctx.call_activity<int>("A");
                    auto b = ctx.call_activity<int>("B");
                    co_await a;
                    order.push_back(b.is_completed()); // not yet
                    auto c = ctx.call_activity<int>("C");
                    co_await b;
                    order.push_back(c.is_completed());
                    co_return order;
                  }),
                  "Ship");
  run.turn();
  run.complete(1, "1");
  run.complete(2, "2");
  run.turn();
  BOOST_TEST(run.output() == "[false,false]");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors::test
