// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/pool_fixture.hpp"
#include "tests/support/patience.hpp"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <latch>
#include <set>
#include <string>

namespace perdura::actors {

using namespace std::chrono_literals;

namespace {

/// The number of threads of this process that run activities.
std::size_t activity_threads() {
  std::size_t count = 0;
  for (const auto& task :
       std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    count += name == "activity" ? 1U : 0U;
  }
  return count;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(activity_pool_suite, pool_fixture)

// Regression: a node kept the threads of its busiest moment for ever, so their
// number grew for days.
BOOST_AUTO_TEST_CASE(threads_that_are_not_needed_end) {
  constexpr std::size_t count = 8;
  for (int round = 0; round < 3; ++round) {
    std::latch begun(count);
    std::latch release(1);
    functions().add_activity("Blocks" + std::to_string(round), [&] {
      begun.count_down();
      release.wait();
    });
    open(count, persistence::system_clock(), 5ms);
    for (task_sequence i = 1; i <= count; ++i)
      submit(static_cast<task_sequence>(round) * count + i,
             "Blocks" + std::to_string(round));
    begun.wait();
    BOOST_TEST(activity_threads() >= count);
    release.count_down();
    deliveries((static_cast<std::size_t>(round) + 1) * count);
    BOOST_TEST(tests::eventually([] { return activity_threads() == 0; }));
    BOOST_TEST(pool->wait_idle(tests::patience));
  }
}

// Regression: the worker without a thread of its own began after its pool had
// been destroyed, and registered with it.
BOOST_AUTO_TEST_CASE(pool_that_ends_at_once_is_not_used) {
  caf::actor_system_config config;
  caf::actor_system system(config);
  for (int i = 0; i < 2'000; ++i) {
    activity_pool_dependencies around;
    around.clock = &persistence::system_clock();
    around.functions = std::make_shared<registry>();
    const activity_pool short_lived(system, {}, std::move(around));
  }
}

// Runs five thousand short activities; each result must arrive exactly once.
BOOST_AUTO_TEST_CASE(every_result_is_delivered_once) {
  std::atomic<int> ran{0};
  functions().add_activity("Short", [&] { ++ran; });
  open();
  constexpr std::uint32_t many = 5'000;
  for (std::uint32_t i = 1; i <= many; ++i)
    submit(i, "Short");
  for (const auto& [sequence, times] : deliveries(many))
    BOOST_REQUIRE(times == 1);
  BOOST_TEST(ran == static_cast<int>(many));
}

// Short activities share a few worker threads. A worker whose activity blocks
// must not delay the others.
BOOST_AUTO_TEST_CASE(blocking_activities_do_not_delay_others) {
  std::latch release(1);
  functions().add_activity("Short", [] {}).add_activity("Blocks", [&] {
    release.wait();
  });
  open();
  for (std::uint32_t i = 1; i <= 5; ++i) {
    submit(100 + i, "Blocks");
    for (std::uint32_t n = 0; n < 20; ++n)
      submit(1'000 * i + n, "Short");
    for (std::uint32_t n = 0; n < 20; ++n)
      outcome_of(1'000 * i + n);
  }
  release.count_down();
  for (std::uint32_t i = 1; i <= 5; ++i)
    outcome_of(100 + i);
}

// Eight activities wait for each other, so they finish only if all eight run at
// the same time.
BOOST_AUTO_TEST_CASE(concurrency_reaches_the_limit) {
  std::latch all_there(8);
  functions().add_activity("Meets", [&] { all_there.arrive_and_wait(); });
  open(8);
  for (std::uint32_t i = 1; i <= 8; ++i)
    submit(i, "Meets");
  deliveries(8);
}

// The limit also holds for very short activities, which the pool runs on a
// thread of the scheduler.
BOOST_AUTO_TEST_CASE(concurrency_stays_within_the_limit) {
  std::atomic<int> now{0};
  std::atomic<int> most{0};
  std::latch release(1);
  const auto enter = [&] {
    const int here = ++now;
    int seen = most;
    while (here > seen && !most.compare_exchange_weak(seen, here)) {
    }
  };
  functions()
    .add_activity("Short",
                  [&] {
                    enter();
                    --now;
                  })
    .add_activity("Blocks", [&] {
      enter();
      release.wait();
      --now;
    });
  open(1);
  for (std::uint32_t i = 1; i <= 500; ++i) {
    submit(i, "Short");
    if (i % 100 != 0)
      outcome_of(i); // the wait lets the pool measure short runs
  }
  deliveries(500);
  submit(501, "Blocks");
  for (std::uint32_t i = 502; i <= 600; ++i)
    submit(i, "Short");
  release.count_down();
  deliveries(600);
  BOOST_TEST(most == 1);
}

// A limit can be set for each activity name.
BOOST_AUTO_TEST_CASE(concurrency_stays_within_the_limit_of_the_name) {
  std::atomic<int> now{0};
  std::atomic<int> most{0};
  functions().add_activity(
    "Few",
    [&] {
      const int here = ++now;
      int seen = most;
      while (here > seen && !most.compare_exchange_weak(seen, here)) {
      }
      std::this_thread::yield();
      --now;
    },
    {.concurrency_max = 2});
  open();
  for (std::uint32_t i = 1; i <= 300; ++i)
    submit(i, "Few");
  deliveries(300);
  BOOST_TEST(most <= 2);
}

// An activity counts against the limit of its name from its assignment on. The
// queue is long enough for a second worker before the thread of the first one
// has begun. "Other" is queued last, so that its end shows that the pool has
// assigned all that may start.
BOOST_AUTO_TEST_CASE(assigned_activity_counts_against_the_limit_of_its_name) {
  std::atomic<int> now{0};
  std::atomic<int> most{0};
  std::latch release(1);
  functions()
    .add_activity("One",
                  [&] {
                    const int here = ++now;
                    int seen = most;
                    while (here > seen
                           && !most.compare_exchange_weak(seen, here)) {
                    }
                    release.wait();
                    --now;
                  },
                  {.concurrency_max = 1})
    .add_activity("Other", [] {});
  open();
  constexpr std::uint32_t many = 40;
  for (std::uint32_t i = 1; i <= many; ++i)
    submit(i, "One");
  submit(many + 1, "Other");
  outcome_of(many + 1);
  release.count_down();
  deliveries(many + 1);
  BOOST_TEST(most == 1);
}

// Eight thousand activities wait for the end of one. The monitor sleeps; the
// end of the running activity is the event that starts the next one.
BOOST_AUTO_TEST_CASE(queue_of_a_limited_name_is_not_polled) {
  std::latch begun(1);
  std::latch release(1);
  functions().add_activity("One",
                           [&] {
                             begun.count_down();
                             release.wait();
                           },
                           {.concurrency_max = 1});
  open();
  constexpr std::uint32_t many = 8'000;
  submit(1, "One");
  begun.wait();
  for (std::uint32_t i = 2; i <= many; ++i)
    submit(i, "One");
  const std::uint64_t before = pool->examinations();
  BOOST_TEST(!pool->wait_idle(100ms));
  // A few wake-ups may come late; without sleep there are many thousands.
  BOOST_TEST(pool->examinations() <= before + 20);
  release.count_down();
  for (const auto& [sequence, times] : deliveries(many))
    BOOST_REQUIRE(times == 1);
}

// The queue of a name at its limit delays no other name.
BOOST_AUTO_TEST_CASE(blocked_queue_of_one_name_does_not_delay_others) {
  std::latch begun(1);
  std::latch release(1);
  functions()
    .add_activity("One",
                  [&] {
                    begun.count_down();
                    release.wait();
                  },
                  {.concurrency_max = 1})
    .add_activity("Short", [] {});
  open(2);
  for (std::uint32_t i = 1; i <= 8'000; ++i)
    submit(i, "One");
  begun.wait();
  for (std::uint32_t i = 8'001; i <= 8'100; ++i) {
    submit(i, "Short");
    outcome_of(i);
  }
  release.count_down();
  deliveries(8'100);
}

// With a time-out that no time can be added to, the monitor did not sleep, and
// held the mutex of the pool.
BOOST_AUTO_TEST_CASE(monitor_sleeps_while_a_very_long_time_out_runs) {
  std::latch begun(4);
  std::latch release(1);
  functions().add_activity("Long", [&] {
    begun.count_down();
    release.wait();
  });
  open(4);
  const duration thousand_years = std::chrono::hours(24 * 365'250);
  submit(1, "Long", thousand_years);
  submit(2, "Long", duration::max());
  submit(3, "Long", duration::max(), duration::max());
  submit(4, "Long", {}, thousand_years);
  begun.wait();
  submit(5, "Long", {}, duration::max());
  BOOST_TEST(!pool->wait_idle(20ms)); // lets the last wake-ups pass
  const std::uint64_t before = pool->examinations();
  BOOST_TEST(!pool->wait_idle(100ms));
  BOOST_TEST(pool->examinations() == before);
  release.count_down();
  for (task_sequence i = 1; i <= 5; ++i)
    BOOST_TEST(!timed_out(outcome_of(i)));
}

// The time-outs are measured by the boot clock. The activity "Short" shows that
// the monitor has examined the running activity in between.
BOOST_AUTO_TEST_CASE(wall_clock_that_is_set_does_not_end_an_activity) {
  std::latch begun(1);
  std::latch release(1);
  functions()
    .add_activity("Long",
                  [&] {
                    begun.count_down();
                    release.wait();
                  })
    .add_activity("Short", [] {});
  open(1, clock);
  submit(1, "Long", 60s, 60s);
  begun.wait();
  submit(2, "Short", {}, 60s);
  for (const duration step : {duration(10min), duration(-20min)}) {
    clock.step_wall(step);
    const std::uint64_t before = pool->examinations();
    submit(3, "Short", {}, 1us); // wakes the monitor
    while (pool->examinations() <= before)
      std::this_thread::yield();
  }
  release.count_down();
  BOOST_TEST(!timed_out(outcome_of(1)));
  BOOST_TEST(!timed_out(outcome_of(2)));
}

// The same activity ends when the time has passed, whatever the wall clock
// shows.
BOOST_AUTO_TEST_CASE(time_out_passes_although_the_wall_clock_is_set_back) {
  std::latch begun(1);
  std::latch release(1);
  functions()
    .add_activity("Long",
                  [&] {
                    begun.count_down();
                    release.wait();
                  })
    .add_activity("Short", [] {});
  open(1, clock);
  submit(1, "Long", 60s);
  begun.wait();
  clock.advance(61s);
  clock.step_wall(-1h);
  submit(2, "Short", {}, 60s); // wakes the monitor
  BOOST_TEST(timed_out(outcome_of(1)));
  release.count_down();
  BOOST_TEST(!timed_out(outcome_of(2)));
  BOOST_TEST(pool->wait_idle(tests::patience)); // "Long" uses the latches
}

// The activity learns from its cancellation flag that it has timed out; when it
// ends later, its result is dropped.
BOOST_AUTO_TEST_CASE(timed_out_activity_fails_and_its_late_end_is_dropped) {
  std::latch release(1);
  std::atomic<bool> was_told{false};
  functions().add_activity("Long", [&](activity_context& ctx) {
    release.wait();
    was_told = ctx.cancellation_requested();
  });
  open();
  submit(1, "Long", 5ms);
  BOOST_TEST(timed_out(outcome_of(1)));
  release.count_down();
  BOOST_TEST(pool->wait_idle(tests::patience));
  BOOST_TEST(was_told);
  BOOST_TEST(deliveries(1)[1] == 1);
}

// The only worker is busy when the limit for the start of an activity expires.
BOOST_AUTO_TEST_CASE(activity_without_a_worker_in_time_fails) {
  std::latch release(1);
  std::latch begun(1);
  functions()
    .add_activity("Blocks",
                  [&] {
                    begun.count_down();
                    release.wait();
                  })
    .add_activity("Short", [] {});
  open(1);
  submit(1, "Blocks");
  begun.wait();
  submit(2, "Short", {}, 5ms);
  BOOST_TEST(timed_out(outcome_of(2)));
  release.count_down();
  outcome_of(1);
}

// The monitor delivers the failure of an activity that got no worker in time.
// The pool is not idle before this delivery ends, though no activity runs.
BOOST_AUTO_TEST_CASE(pool_is_not_idle_while_a_time_out_is_delivered) {
  std::latch begun(1);
  std::latch release(1);
  std::latch delivery_begun(1);
  std::latch delivery_may_end(1);
  functions()
    .add_activity("Blocks",
                  [&] {
                    begun.count_down();
                    release.wait();
                  })
    .add_activity("Short", [] {});
  before_delivery = [&](const activity_result& result) {
    if (result.sequence != 2)
      return;
    delivery_begun.count_down();
    delivery_may_end.wait();
  };
  open(1);
  submit(1, "Blocks");
  begun.wait();
  submit(2, "Short", {}, 5ms);
  delivery_begun.wait();
  release.count_down();
  outcome_of(1);
  pool->close();
  BOOST_TEST(!pool->wait_idle(50ms));
  delivery_may_end.count_down();
  BOOST_TEST(pool->wait_idle(tests::patience));
  BOOST_TEST(deliveries(0).size() == 2);
}

// An activity is still running when the pool is closed. Its name can be read
// for a log line, and its result is dropped.
BOOST_AUTO_TEST_CASE(result_after_close_is_not_delivered) {
  std::latch begun(1);
  std::latch release(1);
  functions().add_activity("Blocks", [&] {
    begun.count_down();
    release.wait();
  });
  open();
  submit(1, "Blocks");
  begun.wait();
  pool->close();
  BOOST_TEST(pool->running_names().front() == "Blocks of \"order-17\"");
  release.count_down();
  BOOST_TEST(pool->wait_idle(tests::patience));
  BOOST_TEST(deliveries(0).empty());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors
