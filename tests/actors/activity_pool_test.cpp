// SPDX-License-Identifier: Apache-2.0
#include "actors/activities/activity_pool.hpp"
#include "actors/authoring/registry.hpp"
#include "persistence/records/clock.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/patience.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/all.hpp>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <latch>
#include <map>
#include <mutex>
#include <set>
#include <string>

namespace perdura::actors {

using namespace std::chrono_literals;

namespace {

/// An activity pool with its functions, and the results that it has delivered.
class pool_fixture {
public:
  registry& functions() {
    return *functions_;
  }

  void open(std::size_t activities_max = 64,
            const persistence::clock& read = persistence::system_clock(),
            std::chrono::milliseconds worker_idle_time = 1min) {
    activity_pool_dependencies around;
    around.clock = &read;
    around.functions = functions_;
    around.deliver = [this](activity_result result) {
      if (before_delivery)
        before_delivery(result);
      const std::lock_guard lock(mutex_);
      ++delivered_[result.sequence];
      outcomes_[result.sequence] = std::move(result.outcome);
      changed_.notify_all();
    };
    activity_pool_options options;
    options.activities_max = activities_max;
    options.worker_idle_time = worker_idle_time;
    pool = std::make_unique<activity_pool>(system_, options, std::move(around));
  }

  void submit(task_sequence sequence, const std::string& name,
              duration time_out = {}, duration start_time_out = {}) {
    activity_work_item item;
    item.instance = "order-17";
    item.execution = "e";
    item.sequence = sequence;
    item.name = name;
    item.input = "null";
    item.time_out = time_out;
    item.start_time_out = start_time_out;
    pool->submit(std::move(item));
  }

  history_body outcome_of(task_sequence sequence) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return outcomes_.contains(sequence); });
    return outcomes_[sequence];
  }

  /// Waits until results of `count` activities have been delivered. Returns how
  /// often the result of each activity was delivered.
  std::map<task_sequence, int> deliveries(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return delivered_.size() >= count; });
    return delivered_;
  }

private:
  caf::actor_system_config config_;
  caf::actor_system system_{config_};
  std::shared_ptr<registry> functions_ = std::make_shared<registry>();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<task_sequence, int> delivered_;
  std::map<task_sequence, history_body> outcomes_;

public:
  /// Called on the delivering thread before a result is recorded, unless empty.
  /// Set before `open`.
  std::function<void(const activity_result&)> before_delivery;

  /// For `open`. The pool reads its clock until it is destroyed.
  tests::manual_clock clock;

  /// Last member, so that it is destroyed first.
  std::unique_ptr<activity_pool> pool;
};

bool timed_out(const history_body& outcome) {
  const auto* failed = std::get_if<persistence::task_failed>(&outcome);
  return failed != nullptr && failed->failure.type == "timed_out";
}

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

// Nobody waits for the execution any more: the running activity learns it, and
// so does the one that begins later. Those of other executions do not.
BOOST_AUTO_TEST_CASE(activities_of_an_ended_execution_are_cancelled) {
  std::latch begun(1);
  std::latch release(1);
  std::map<task_sequence, bool> cancelled;
  functions().add_activity("Runs", [&](activity_context& ctx) {
    begun.count_down();
    release.wait();
    cancelled[1] = ctx.cancellation_requested();
  });
  for (const task_sequence i : {2U, 3U})
    functions().add_activity("Queued" + std::to_string(i),
                             [&cancelled, i](activity_context& ctx) {
                               cancelled[i] = ctx.cancellation_requested();
                             });
  open(1);
  submit(1, "Runs");
  begun.wait();
  submit(2, "Queued2");
  activity_work_item other;
  other.instance = "order-17";
  other.execution = "another";
  other.sequence = 3;
  other.name = "Queued3";
  other.input = "null";
  pool->submit(std::move(other));
  pool->cancel("order-17", "e");
  pool->cancel("order-18", "another");
  release.count_down();
  deliveries(3); // each runs
  BOOST_TEST(cancelled[1]);
  BOOST_TEST(cancelled[2]);
  BOOST_TEST(!cancelled[3]);
}

// A name that is not registered waits for another program; the others go on.
BOOST_AUTO_TEST_CASE(activity_of_an_unknown_name_waits) {
  functions().add_activity("Short", [] {});
  open(1);
  submit(1, "Missing");
  submit(2, "Missing", {}, 5ms);
  submit(3, "Short");
  outcome_of(3);
  BOOST_TEST(timed_out(outcome_of(2)));
  auto queued = pool->facts().queued;
  BOOST_TEST_REQUIRE(queued.size() == 1U);
  BOOST_TEST(queued[0].first == "Missing");
  BOOST_TEST(!pool->facts().is_full);
  pool->cancel("order-17", "e");
  BOOST_TEST(pool->facts().queued.empty());
}

// The running activity ends normally, and its result is delivered.
BOOST_AUTO_TEST_CASE(orderly_stop_waits_for_results_and_starts_nothing) {
  std::latch begun(1);
  std::latch release(1);
  std::atomic<bool> was_cancelled{true};
  functions()
    .add_activity("Long",
                  [&](activity_context& ctx) {
                    begun.count_down();
                    release.wait();
                    was_cancelled = ctx.cancellation_requested();
                  })
    .add_activity("Short", [] {});
  open(1);
  submit(1, "Long");
  begun.wait();
  submit(2, "Short");
  pool->stop_starting();
  submit(3, "Short");
  BOOST_TEST(!pool->wait_for_results(1ms));
  release.count_down();
  BOOST_TEST(pool->wait_for_results(tests::patience));
  BOOST_TEST(deliveries(1).size() == 1U);
  BOOST_TEST(!was_cancelled);
  pool->close();
  BOOST_TEST(pool->wait_idle(tests::patience));
  BOOST_TEST(deliveries(1).size() == 1U);
}

// A run that has timed out has had its result.
BOOST_AUTO_TEST_CASE(orderly_stop_does_not_wait_for_a_run_that_timed_out) {
  std::latch release(1);
  functions().add_activity("Long", [&] { release.wait(); });
  open(1);
  submit(1, "Long", 5ms);
  BOOST_TEST(timed_out(outcome_of(1)));
  pool->stop_starting();
  BOOST_TEST(pool->wait_for_results(tests::patience));
  release.count_down();
  BOOST_TEST(pool->wait_idle(tests::patience));
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
