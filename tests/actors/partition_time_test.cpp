// SPDX-License-Identifier: Apache-2.0
// Timers, time limits and times of a partition while the wall clock of the
// machine is set, and over restarts of the process and of the machine.
#include "tests/actors/partition_fixture.hpp"

#include <stdexcept>

namespace perdura::tests {

using namespace actors;
using namespace persistence;
using namespace std::chrono_literals;

namespace {

std::int64_t to_us(timestamp time) {
  return time.time_since_epoch().count();
}

/// Returns the times of its two turns.
task<std::vector<std::int64_t>> sleeper(orchestration_context& ctx,
                                        std::int64_t us) {
  std::vector<std::int64_t> times{to_us(ctx.current_time())};
  co_await ctx.create_timer(duration(us));
  times.push_back(to_us(ctx.current_time()));
  co_return times;
}

task<std::int64_t> sleeps_until(orchestration_context& ctx, std::int64_t us) {
  co_await ctx.create_timer(timestamp(duration(us)));
  co_return to_us(ctx.current_time());
}

task<bool> waits_for(orchestration_context& ctx, std::int64_t us) {
  const bool came = co_await ctx.wait_for_external_event("Go", duration(us));
  co_return came;
}

task<void> retries_failing(orchestration_context& ctx) {
  co_await ctx.call_activity(
    "Fails", 1,
    {.retry = {.attempts_max = 100, .interval_first = 10s, .time_out = 65s}});
}

struct time_fixture : partition_fixture {
  time_fixture() : partition_fixture(with_timers()) {
    auto functions = std::make_shared<registry>();
    add_test_functions(*functions);
    functions->add_orchestrator("Sleeper", sleeper)
      .add_orchestrator("SleepsUntil", sleeps_until)
      .add_orchestrator("WaitsFor", waits_for)
      .add_orchestrator("Retries", retries_failing)
      .add_activity("Fails", [] { throw std::runtime_error("fails"); });
    node.set_functions(std::move(functions));
    restart();
  }

  static node_options with_timers() {
    node_options options;
    options.partitions = 1;
    options.adjust = [](partition_config& config) {
      config.idle_instances_max = 0; // timers are also those of evicted ones
    };
    return options;
  }

  /// Sets the wall clock; the alarm clock of a node wakes the partitions then.
  void step_wall(duration by) {
    node.clock.step_wall(by);
    node.wake_all();
    node.run_until_idle();
  }

  void restart() {
    node.crash_and_recover();
    node.run_until_idle();
  }

  /// Starts an instance that sleeps.
  void sleep(const instance_id& id, duration time) {
    node.ask(start_request(id, "Sleeper", std::to_string(time.count())));
    node.run_until_idle();
  }

  void sleep_until(const instance_id& id, timestamp time) {
    node.ask(start_request(id, "SleepsUntil", std::to_string(to_us(time))));
    node.run_until_idle();
  }

  bool sleeps(const instance_id& id) {
    return status_of(id) == runtime_status::running;
  }

  /// The instance sleeps for `left` from now, not less and at most 1 ms more.
  void expect_left(const instance_id& id, duration left) {
    node.advance_time(left - 1ms);
    BOOST_TEST(sleeps(id));
    node.advance_time(2ms);
    BOOST_TEST(!sleeps(id));
  }

  const timer_queue& wall_timers() {
    return node.partition(p0).live().wall_timers;
  }
};

const std::vector<duration> clock_steps{
  1h, -1h, 10min, -10min, 24h * 40, -24h * 40, 24h * 365 * 100, -5s, 100ms};

} // namespace

BOOST_FIXTURE_TEST_SUITE(partition_time, time_fixture)

// --- Delays ------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(delay_does_not_depend_on_the_wall_clock) {
  int number = 0;
  for (const duration step : clock_steps) {
    const instance_id id = "s" + std::to_string(++number);
    sleep(id, 60s);
    node.advance_time(20s);
    step_wall(step);
    BOOST_TEST(sleeps(id));
    expect_left(id, 40s);
  }
}

BOOST_AUTO_TEST_CASE(delay_continues_after_a_restart_on_the_same_boot) {
  int number = 0;
  for (const duration step : clock_steps) {
    const instance_id id = "s" + std::to_string(++number);
    sleep(id, 60s);
    node.advance_time(20s);
    node.clock.step_wall(step);
    node.clock.advance(10s); // the process is down
    restart();
    BOOST_TEST(sleeps(id));
    expect_left(id, 30s);
  }
}

// 200 instances run while the clock is one hour ahead; it is right again then.
BOOST_AUTO_TEST_CASE(turns_with_a_later_time_delay_no_timer) {
  sleep("before", 60s);
  step_wall(1h);
  for (int i = 0; i < 200; ++i)
    node.ask(start_request("e" + std::to_string(i), "Give", "1"));
  sleep("ahead", 60s);
  step_wall(-1h);
  sleep("after", 60s);
  expect_left("before", 60s);
  BOOST_TEST(!sleeps("ahead"));
  BOOST_TEST(!sleeps("after"));
  sleep("restarted", 60s);
  restart();
  expect_left("restarted", 60s);
}

BOOST_AUTO_TEST_CASE(time_out_of_a_wait_is_a_delay) {
  for (const char* id : {"w1", "w2"}) {
    node.ask(start_request(id, "WaitsFor", std::to_string(60'000'000)));
    node.run_until_idle();
    step_wall(id[1] == '1' ? duration(1h) : duration(-1h));
    expect_left(id, 60s);
    BOOST_TEST(output_of(id) == "false");
  }
}

// The retry policy allows 65 s: six attempts after the first one, whatever the
// wall clock shows.
BOOST_AUTO_TEST_CASE(retries_are_delays_and_their_time_out_is_elapsed_time) {
  for (const duration step : {duration(0), duration(1h), duration(-1h)}) {
    const instance_id id = "r" + std::to_string(step.count());
    const auto before = node.activity_runs.size();
    node.ask(start_request(id, "Retries"));
    node.run_until_idle();
    node.advance_time(15s);
    step_wall(step);
    node.advance_time(15s);
    restart(); // the history tells how much time has passed
    node.advance_time(100s);
    BOOST_TEST((status_of(id) == runtime_status::failed));
    BOOST_TEST(node.activity_runs.size() - before == 7U);
  }
}

// --- Restarts of the machine -------------------------------------------------

// The wall clock tells how long the machine was off.
BOOST_AUTO_TEST_CASE(delay_continues_after_a_restart_of_the_machine) {
  sleep("a", 60s);
  node.advance_time(20s);
  node.clock.advance(10s);
  node.clock.reboot("boot-2");
  restart();
  expect_left("a", 30s);
  sleep("b", 60s);
  node.clock.advance(24h);
  node.clock.reboot("boot-3");
  restart();
  BOOST_TEST(!sleeps("b"));
}

// The wall clock is wrong after the restart: the delay is that of the last
// anchor, which was stored with the timer.
BOOST_AUTO_TEST_CASE(no_time_passes_if_the_wall_clock_was_set_back) {
  sleep("a", 60s);
  node.advance_time(20s);
  node.clock.step_wall(-24h);
  node.clock.reboot("boot-2");
  restart();
  expect_left("a", 60s);
}

// While timers are open, a turn has a new anchor at most once a minute.
BOOST_AUTO_TEST_CASE(anchor_follows_the_commits_while_timers_are_open) {
  sleep("a", 100s);
  node.advance_time(70s);
  node.ask(start_request("b", "Give", "1")); // has an anchor
  node.clock.step_wall(-24h);
  node.clock.reboot("boot-2");
  restart();
  expect_left("a", 30s);
}

BOOST_AUTO_TEST_CASE(anchor_is_stored_at_most_once_a_minute) {
  const auto anchor
    = [&] { return node.partition(p0).durable().meta.anchor->elapsed; };
  sleep("a", 24h);
  const elapsed_time first = anchor();
  for (int i = 0; i < 59; ++i) {
    node.advance_time(1s);
    node.ask(start_request("g" + std::to_string(i), "Give", "1"));
  }
  BOOST_TEST((anchor() == first));
  node.advance_time(1s);
  node.ask(start_request("next", "Give", "1"));
  BOOST_TEST((anchor() - first == 60s));
  node.advance_time(10min); // no turn, no anchor
  BOOST_TEST((anchor() - first == 60s));
}

// The timer is due after the horizon, so it is on disk only.
BOOST_AUTO_TEST_CASE(anchor_is_stored_only_while_timers_are_open) {
  const auto anchor
    = [&] { return node.partition(p0).durable().meta.anchor->elapsed; };
  const elapsed_time first = anchor();
  node.advance_time(10min);
  node.ask(start_request("a", "Give", "1"));
  BOOST_TEST((anchor() == first));
  sleep("b", 24h);
  const elapsed_time second = anchor();
  BOOST_TEST((second != first));
  for (int i = 0; i < 3; ++i) {
    const elapsed_time before = anchor();
    node.advance_time(2h);
    if (i == 1)
      restart();
    node.ask(start_request("c" + std::to_string(i), "Give", "1"));
    BOOST_TEST((anchor() != before));
  }
  node.advance_time(24h);
  BOOST_TEST(!sleeps("b"));
  const elapsed_time last = anchor();
  node.advance_time(10min);
  node.ask(start_request("d", "Give", "1"));
  BOOST_TEST((anchor() == last));
}

// --- Times of day ------------------------------------------------------------

BOOST_AUTO_TEST_CASE(timer_with_a_time_follows_the_wall_clock) {
  sleep_until("forward", node.clock.now() + 30min);
  step_wall(29min);
  BOOST_TEST(sleeps("forward"));
  step_wall(1min);
  BOOST_TEST(!sleeps("forward"));
  sleep_until("back", node.clock.now() + 30min);
  step_wall(-10min);
  expect_left("back", 40min);
}

// The timer is not in memory when the clock is set.
BOOST_AUTO_TEST_CASE(timer_beyond_the_horizon_follows_the_wall_clock) {
  sleep_until("a", node.clock.now() + 5h);
  sleep_until("b", node.clock.now() + 5h + 1min);
  sleep_until("c", node.clock.now() + 24h * 30);
  step_wall(5h);
  BOOST_TEST(!sleeps("a"));
  BOOST_TEST(sleeps("b"));
  step_wall(24h * 40);
  BOOST_TEST(!sleeps("b"));
  BOOST_TEST(!sleeps("c"));
}

// The wall clock was one hour back for ten seconds. Nothing else happens in the
// node.
BOOST_AUTO_TEST_CASE(overdue_times_fire_when_the_clock_is_right_again) {
  for (int i = 0; i < 40; ++i)
    sleep_until("t" + std::to_string(i),
                node.clock.now() + std::chrono::milliseconds(5'000 + i));
  step_wall(-1h);
  node.advance_time(10s);
  for (int i = 0; i < 40; ++i)
    BOOST_TEST(sleeps("t" + std::to_string(i)));
  step_wall(1h);
  for (int i = 0; i < 40; ++i)
    BOOST_TEST(!sleeps("t" + std::to_string(i)));
}

BOOST_AUTO_TEST_CASE(times_continue_after_each_restart) {
  sleep_until("a", node.clock.now() + 1h);
  node.clock.step_wall(-10min);
  restart();
  node.clock.reboot("boot-2");
  restart();
  expect_left("a", 1h + 10min);
}

// The clock was ahead by forty days: the timers of these days leave memory
// again, and fire at their time.
BOOST_AUTO_TEST_CASE(timers_of_a_leap_leave_memory_when_the_clock_is_set_back) {
  const timestamp begin = node.clock.now();
  for (int day = 41; day <= 50; ++day)
    sleep_until("t" + std::to_string(day), begin + 24h * day);
  step_wall(24h * 40 + 23h + 55min);
  BOOST_TEST(wall_timers().tasks.size() == 1U);
  step_wall(-(24h * 40 + 23h + 55min));
  BOOST_TEST(wall_timers().tasks.empty());
  for (int day = 41; day <= 50; ++day) {
    node.advance_time(begin + 24h * day - node.clock.now() - 1s);
    BOOST_TEST(sleeps("t" + std::to_string(day)));
    node.advance_time(2s);
    BOOST_TEST(!sleeps("t" + std::to_string(day)));
  }
}

BOOST_AUTO_TEST_CASE(time_that_has_passed_fires_at_once) {
  sleep_until("past", node.clock.now() - 1h);
  BOOST_TEST(!sleeps("past"));
  sleep_until("never", timestamp::min());
  BOOST_TEST(!sleeps("never"));
  sleep_until("for ever", timestamp::max());
  BOOST_TEST(sleeps("for ever"));
}

// The clock was ahead while others ran; the start is for half an hour later.
BOOST_AUTO_TEST_CASE(scheduled_start_follows_the_wall_clock) {
  step_wall(1h);
  node.ask(start_request("other", "Give", "1"));
  step_wall(-1h);
  start_instance later = start_request("later", "Give", "1");
  later.scheduled_at = node.clock.now() + 30min;
  node.ask(later);
  node.run_until_idle();
  BOOST_TEST((status_of("later") == runtime_status::pending));
  node.advance_time(29min);
  BOOST_TEST((status_of("later") == runtime_status::pending));
  step_wall(1min);
  BOOST_TEST((status_of("later") == runtime_status::completed));
}

// --- Times that the code and the history show --------------------------------

BOOST_AUTO_TEST_CASE(current_time_never_decreases) {
  int number = 0;
  for (const duration step : clock_steps) {
    const instance_id id = "s" + std::to_string(++number);
    sleep(id, 60s);
    step_wall(step);
    restart();
    node.advance_time(60s);
    const auto times
      = json::parse(output_of(id)).get<std::vector<std::int64_t>>();
    BOOST_TEST(times[1] - times[0] >= 60'000'000);
    const auto history = node.history_of(id);
    BOOST_TEST(std::is_sorted(
      history.begin(), history.end(),
      [](const auto& a, const auto& b) { return a.time < b.time; }));
    const auto stored = node.stored(id);
    BOOST_TEST((stored->record.created_at <= stored->record.ended_at));
    BOOST_TEST((stored->record.ended_at <= stored->record.last_updated_at));
  }
}

// --- Time limits -------------------------------------------------------------

// A message waits for its turn for 20 ms, by the elapsed time.
BOOST_AUTO_TEST_CASE(waiting_message_is_stored_although_the_clock_is_set_back) {
  const auto start = node.submit(start_request("a", "Give", "1"));
  process_messages();
  node.clock.step_wall(-10min);
  node.clock.advance(21ms);
  node.check_time(p0);
  node.commit();
  BOOST_TEST((code_of(start) == errc::ok));
  node.run_until_idle();
}

BOOST_AUTO_TEST_CASE(waiting_message_is_not_stored_early) {
  const auto start = node.submit(start_request("a", "Give", "1"));
  process_messages();
  node.clock.step_wall(10min);
  node.wake_all();
  node.commit();
  BOOST_TEST(!node.is_answered(start));
  node.run_until_idle();
}

BOOST_AUTO_TEST_CASE(stuck_turn_is_reported_by_the_elapsed_time) {
  node.submit(start_request("a", "Give", "1"));
  process_messages();
  node.clock.step_wall(1h);
  node.wake_all();
  BOOST_TEST(node.partition(p0).stuck().empty());
  node.clock.step_wall(-2h);
  node.clock.advance(6s);
  node.check_time(p0);
  BOOST_TEST(node.partition(p0).stuck().size() == 1U);
  node.run_until_idle();
}

BOOST_AUTO_TEST_SUITE_END()

struct idle_fixture : partition_fixture {};

BOOST_FIXTURE_TEST_CASE(idle_instance_is_evicted_although_the_clock_is_set_back,
                        idle_fixture) {
  start_and_wait("a", "Waits");
  node.run_until_idle();
  BOOST_TEST(node.live("a") != nullptr);
  node.clock.step_wall(1h);
  node.wake_all();
  BOOST_TEST(node.live("a") != nullptr);
  node.clock.step_wall(-2h);
  node.advance_time(31s);
  BOOST_TEST(node.live("a") == nullptr);
}

} // namespace perdura::tests
