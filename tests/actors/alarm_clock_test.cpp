// SPDX-License-Identifier: Apache-2.0
#include "actors/timing/alarm_clock.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/patience.hpp"

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

namespace perdura::actors {

using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(alarm_clock_suite)

// The alarm is set to 5 ms; it must fire exactly once, and not before 5 ms have
// passed.
BOOST_AUTO_TEST_CASE(alarm_fires_once_and_not_early) {
  alarm_clock clock;
  std::latch rung(1);
  std::atomic<int> count{0};
  alarm_clock::alarm& one = clock.add([&] {
    if (++count == 1)
      rung.count_down();
  });
  const tests::minimum_time waited;
  clock.set(one, 5ms);
  rung.wait();
  BOOST_TEST(waited.has_passed(5ms));
  clock.stop();
  BOOST_TEST(count == 1);
}

// An earlier alarm is set while the clock thread sleeps until a late one.
BOOST_AUTO_TEST_CASE(earlier_alarm_wakes_the_sleeping_clock) {
  alarm_clock clock;
  std::latch rung(2);
  alarm_clock::alarm& late = clock.add([] {});
  alarm_clock::alarm& soon = clock.add([&] { rung.count_down(); });
  alarm_clock::alarm& same = clock.add([&] { rung.count_down(); });
  clock.set(late, 1h);
  clock.set(same, 1h);
  clock.set(soon, 1ms);
  clock.set(same, 2ms); // replaces 1 h
  rung.wait();
}

// The alarms that are set are called when the wall clock is set, since their
// time may have come.
BOOST_AUTO_TEST_CASE(step_of_the_wall_clock_calls_each_alarm_that_is_set) {
  for (const persistence::duration step :
       {persistence::duration(1h), persistence::duration(-1h)}) {
    tests::manual_clock machine;
    std::atomic<std::int64_t> reported{0};
    std::atomic<int> unset{0};
    std::latch rung(2);
    alarm_clock clock(machine,
                      [&](persistence::duration by) { reported = by.count(); });
    alarm_clock::alarm& late = clock.add([&] { rung.count_down(); });
    alarm_clock::alarm& later = clock.add([&] { rung.count_down(); });
    clock.add([&] { ++unset; });
    std::latch first_pass(1);
    alarm_clock::alarm& now = clock.add([&] { first_pass.count_down(); });
    clock.set(now, 0ms);
    first_pass.wait(); // the clock has read the time
    clock.set(late, 1h);
    clock.set(later, 24h * 365 * 1'000);
    machine.step_wall(step);
    rung.wait();
    clock.stop();
    BOOST_TEST(reported == step.count());
    BOOST_TEST(unset == 0);
  }
}

// The alarm was set to 10 ms and then to 1 h, so it must not fire. If the
// machine suspends the thread for 10 ms between the two calls, the first time
// is reached and the attempt shows nothing; then the case begins again.
BOOST_AUTO_TEST_CASE(setting_an_alarm_replaces_its_earlier_time) {
  bool replaced_in_time = false;
  while (!replaced_in_time) {
    alarm_clock clock;
    std::latch rung(1);
    std::atomic<int> first{0};
    alarm_clock::alarm& one = clock.add([&] { ++first; });
    alarm_clock::alarm& other = clock.add([&] { rung.count_down(); });
    const tests::minimum_time since_first_set;
    clock.set(one, 10ms);
    clock.set(one, 1h);
    replaced_in_time = !since_first_set.has_passed(10ms);
    clock.set(other, 20ms);
    rung.wait();
    clock.stop();
    if (replaced_in_time)
      BOOST_TEST(first == 0);
  }
}

// Eight threads set their alarms again and again while the clock thread runs.
// Every alarm must fire.
BOOST_AUTO_TEST_CASE(concurrent_sets_lose_no_alarm) {
  alarm_clock clock;
  constexpr int owners = 8;
  constexpr int rounds = 50;
  std::latch done(owners);
  std::vector<std::unique_ptr<std::atomic<int>>> rung;
  std::vector<std::thread> threads;
  for (int i = 0; i < owners; ++i) {
    rung.push_back(std::make_unique<std::atomic<int>>(0));
    auto* count = rung.back().get();
    alarm_clock::alarm& own = clock.add([count] {
      ++*count;
      count->notify_one();
    });
    threads.emplace_back([&clock, &own, &done, count] {
      for (int round = 0; round < rounds; ++round) {
        clock.set(own, 200us);
        count->wait(round);
      }
      done.count_down();
    });
  }
  done.wait();
  for (std::thread& each : threads)
    each.join();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors
