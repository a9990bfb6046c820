// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/single_orchestrator.hpp"

// Retry options of activities and sub-orchestrations.

using namespace std::chrono_literals;
using std::chrono::hours;
using std::chrono::milliseconds;

namespace perdura::actors::test {

BOOST_AUTO_TEST_SUITE(retry_suite)

namespace {

std::shared_ptr<registry> registry_with_retry(retry_options options) {
  static retry_options now;
  now = options;
  return registry_with([](orchestration_context& ctx) -> task<int> {
    co_return co_await ctx.call_activity<int>("A", 1, {.retry = now});
  });
}

/// The intervals between attempts that all fail, in seconds.
std::vector<double> retry_intervals(retry_options options) {
  turn_driver run(registry_with_retry(options), "Ship");
  std::vector<double> all;
  run.turn();
  for (task_sequence next = 1; !run.has_ended(); next += 2) {
    run.fail(next);
    run.turn();
    if (run.has_ended())
      break;
    const auto at = std::get<timer_created>(run.open.at(next + 1)).fire_at;
    all.push_back(std::chrono::duration<double>(at - run.now).count());
    run.fire_timer(next + 1);
    run.turn();
  }
  return all;
}

using seconds_list = std::vector<double>;

} // namespace

// The interval is multiplied by the coefficient after each failure.
BOOST_AUTO_TEST_CASE(retry_intervals_grow_by_the_coefficient_up_to_the_max) {
  BOOST_TEST((retry_intervals({.attempts_max = 1}) == seconds_list{}));
  BOOST_TEST((retry_intervals({.attempts_max = 4}) == seconds_list{1, 1, 1}));
  BOOST_TEST((retry_intervals({.attempts_max = 5,
                               .interval_first = 2s,
                               .backoff_coefficient = 2,
                               .interval_max = 10s})
              == seconds_list{2, 4, 8, 10}));
  BOOST_TEST((retry_intervals({.attempts_max = 3, .interval_first = 0s})
              == seconds_list{0, 0}));
  // A product beyond the range of the type becomes the longest interval.
  BOOST_TEST((interval_after({.backoff_coefficient = 1e300, .interval_max = 1h},
                             4'000'000'000U)
              == 1h));
}

// Regression: without interval_max no pause was longer than an hour.
BOOST_AUTO_TEST_CASE(retry_intervals_have_no_limit_unless_one_is_set) {
  BOOST_TEST((interval_after({.interval_first = 2h}, 1) == 2h));
  BOOST_TEST((interval_after({.interval_first = 48h}, 1'000) == 48h));
  BOOST_TEST(
    (interval_after({.interval_first = 1h, .backoff_coefficient = 2}, 11)
     == 1'024h));
  BOOST_TEST(
    (interval_after({.interval_first = 2h, .interval_max = 1h}, 1) == 1h));
  BOOST_TEST((interval_after({.backoff_coefficient = 1e300}, 4'000'000'000U)
              == duration::max()));
}

// 0 · 2^1024 is not a number.
BOOST_AUTO_TEST_CASE(interval_of_zero_stays_zero_at_each_attempt) {
  for (const double coefficient : {0.5, 1.0, 2.0, 1e300})
    for (const std::uint32_t attempt : {1U, 2U, 1'024U, 1'025U, 4'000'000'000U})
      BOOST_TEST(
        (interval_after(
           {.interval_first = 0s, .backoff_coefficient = coefficient}, attempt)
         == 0s));
}

BOOST_AUTO_TEST_CASE(
  interval_has_no_limit_if_the_longest_is_as_long_as_can_be) {
  for (const retry_options& each :
       {retry_options{.interval_first = 2h, .interval_max = duration::max()},
        retry_options{.interval_first = 2h,
        .interval_max = milliseconds(10'000'000'000'000'000)},
        retry_options{.interval_first = 2h, .interval_max = hours::max()}}) {
    check(each); // does not throw
    BOOST_TEST((interval_after(each, 1) == 2h));
  }
  // The pause ends in the year 9999, with which timers end.
  const retry_options doubled{.interval_first = 2h,
                              .backoff_coefficient = 2,
                              .interval_max = duration::max()};
  BOOST_TEST((interval_after(doubled, 3) == 8h));
  BOOST_TEST((interval_after(doubled, 2'000) == duration::max()));
}

BOOST_AUTO_TEST_CASE(retry_time_out_may_be_as_long_as_can_be) {
  for (const time_span& each :
       {time_span(duration::max()), time_span(hours::max()),
        time_span(hours(24 * 365'250))})
    BOOST_TEST((retry_intervals({.attempts_max = 3, .time_out = each})
                == seconds_list{1, 1}));
}

BOOST_AUTO_TEST_CASE(negative_times_of_a_call_are_refused_by_name) {
  const auto sentence_of = [](activity_options options) -> std::string {
    try {
      check(options);
    } catch (const std::invalid_argument& refused) {
      return refused.what();
    }
    return {};
  };
  BOOST_TEST(sentence_of({.time_out = -5ms})
             == "activity_options: time_out is negative: -0.005000 s");
  BOOST_TEST(sentence_of({.start_time_out = -1h})
             == "activity_options: start_time_out is negative: -3600.000000 s");
  BOOST_TEST(sentence_of({.retry = {.interval_first = -1s}})
             == "retry_options: interval_first is negative: -1.000000 s");
  for (const activity_options& each :
       {activity_options{.retry = {.interval_max = -1us}},
        activity_options{.retry = {.time_out = duration::min()}},
        activity_options{.time_out = hours::min()}})
    BOOST_TEST(!sentence_of(each).empty());
  BOOST_TEST(sentence_of({.time_out = 0s, .start_time_out = hours::max()})
             == "");
}

// The call fails the code; nothing is scheduled.
BOOST_AUTO_TEST_CASE(call_with_a_negative_time_out_fails_at_once) {
  turn_driver run(registry_with([](orchestration_context& ctx) -> task<void> {
                    co_await ctx.call_activity("A", 1, {.time_out = -5ms});
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(run.open.empty());
  BOOST_TEST(run.failure().message
             == "activity_options: time_out is negative: -0.005000 s");
}

// The fourth interval would end after 150 s, beyond the time-out of 70 s.
BOOST_AUTO_TEST_CASE(no_attempt_starts_after_the_retry_time_out) {
  BOOST_TEST((retry_intervals({.attempts_max = 100,
                               .interval_first = 10s,
                               .backoff_coefficient = 2,
                               .time_out = 70s})
              == seconds_list{10, 20, 40}));
}

// The first failure is retried. The second one is not, because the predicate
// returns false or throws.
BOOST_AUTO_TEST_CASE(predicate_decides_about_another_attempt) {
  auto functions = registry_with_retry(
    {.attempts_max = 5, .handle = [](auto& failure) {
       if (failure.message() == "throw")
         throw 1;
       return failure.name() == "A" && failure.message() == "try again";
     }});
  for (const char* last : {"give up", "throw"}) {
    turn_driver run(functions, "Ship");
    run.turn();
    run.fail(1, "try again");
    run.turn();
    run.fire_timer(2);
    run.turn();
    run.fail(3, last);
    run.turn();
    BOOST_TEST(run.failure().message
               == std::string("Activity function 'A' failed: ") + last);
    BOOST_TEST((run.last.failures_received == sequences({3})));
  }
}

// Setup: the second attempt runs when a late result of the first attempt
// arrives. The late result is ignored.
BOOST_AUTO_TEST_CASE(retries_count_attempts_and_repeat_the_input) {
  turn_driver run(registry_with_retry({.attempts_max = 2}), "Ship");
  run.turn();
  run.fail(1);
  run.turn();
  run.fire_timer(2);
  run.evict();
  run.turn();
  const auto again = std::get<task_scheduled>(run.open.at(3));
  BOOST_TEST(again.attempt == 2U);
  BOOST_TEST(again.input == "1");
  run.complete(1, "1"); // a late result of the first attempt
  run.turn();
  BOOST_TEST(!run.has_ended());
  run.complete(3, "3");
  run.turn();
  BOOST_TEST(run.output() == "3");
}

// The default ID of a child contains the sequence of the attempt.
BOOST_AUTO_TEST_CASE(retried_child_gets_a_new_id_unless_one_is_given) {
  turn_driver run(
    registry_with([](orchestration_context& ctx) -> task<void> {
      auto a = ctx.call_sub_orchestration("A", nullptr,
                                          {.retry = {.attempts_max = 2}});
      auto b = ctx.call_sub_orchestration("B", nullptr,
                                          {.instance_id = "child-b",
                                           .version = "2",
                                           .retry = {.attempts_max = 2}});
      co_await when_all(a, b);
    }),
    "Ship");
  run.turn();
  auto child = [&](task_sequence i) {
    return std::get<sub_orchestration_instance_created>(run.open.at(i));
  };
  BOOST_TEST(child(1).instance == run.execution + ":1");
  BOOST_TEST(child(2).instance == "child-b");
  BOOST_TEST(child(2).version == "2");
  run.child_fail(1);
  run.child_fail(2);
  run.turn();
  run.fire_timer(3);
  run.fire_timer(4);
  run.turn();
  BOOST_TEST(child(5).instance == run.execution + ":5");
  BOOST_TEST(child(6).instance == "child-b");
  BOOST_TEST(child(6).version == "2");
  run.child_complete(6);
  run.child_complete(5);
  run.turn();
  BOOST_TEST(run.output() == "null");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors::test
