// SPDX-License-Identifier: Apache-2.0
// The clocks that timers and retention use, as plain values.
#include "actors/timing/partition_clock.hpp"
#include "actors/timing/settled_clock.hpp"
#include "actors/timing/wall_watch.hpp"
#include "tests/support/manual_clock.hpp"

#include <boost/test/unit_test.hpp>

#include <vector>

namespace perdura::tests {

using namespace actors;
using namespace std::chrono_literals;
using persistence::boot_clock;
using persistence::elapsed_clock;

namespace {

constexpr timestamp clock_noon{std::chrono::hours(500'000)};

/// A reading; the elapsed time is one day.
time_anchor reading(const std::string& boot, duration since_boot,
                    duration wall_after_noon = {}) {
  return {boot, boot_time(since_boot), clock_noon + wall_after_noon,
          elapsed_time(24h)};
}

/// The elapsed time that has passed from `last` to `now`.
duration passed(const time_anchor& last, const time_anchor& now) {
  return continue_from(last, now) - last.elapsed;
}

} // namespace

BOOST_AUTO_TEST_SUITE(partition_clock_suite)

BOOST_AUTO_TEST_CASE(new_partition_begins_with_the_time_of_the_wall_clock) {
  BOOST_TEST((continue_from(std::nullopt, reading("a", 1h, 5s))
              == elapsed_time((clock_noon + 5s).time_since_epoch())));
}

BOOST_AUTO_TEST_CASE(boot_clock_decides_on_the_same_boot) {
  for (const duration wall : {duration(10s), duration(1h), duration(-1h),
                              duration(24h * 400), duration(0)})
    BOOST_TEST((passed(reading("a", 1h), reading("a", 1h + 10s, wall)) == 10s));
}

BOOST_AUTO_TEST_CASE(wall_clock_decides_on_another_boot) {
  const time_anchor last = reading("a", 1h);
  BOOST_TEST((passed(last, reading("b", 2h, 10s)) == 10s));
  BOOST_TEST((passed(last, reading("b", 1s, 10s)) == 10s));
  // The wall clock was set back, or is wrong after the restart.
  BOOST_TEST((passed(last, reading("b", 1s, -1h)) == 0s));
  time_anchor first_time = reading("b", 1s);
  first_time.wall = {};
  BOOST_TEST((passed(last, first_time) == 0s));
  // Without the ID of the boot, nothing shows that it is the same one.
  BOOST_TEST((passed(reading("", 1h), reading("", 2h, 10s)) == 10s));
  // Another boot clock under the same ID, in a container.
  BOOST_TEST((passed(last, reading("a", 1s, 10s)) == 10s));
  time_anchor damaged = last;
  damaged.wall = timestamp::min();
  BOOST_TEST((continue_from(damaged, reading("b", 1s)) > damaged.elapsed));
}

BOOST_AUTO_TEST_CASE(elapsed_time_continues_in_another_process) {
  manual_clock machine;
  partition_clock first(machine);
  first.begin(std::nullopt);
  const elapsed_time begin = first.elapsed();
  machine.advance(10s);
  const time_anchor anchor = first.anchor();
  machine.step_wall(1h);
  machine.advance(5s);
  BOOST_TEST((first.elapsed() - begin == 15s));
  partition_clock second(machine);
  second.begin(anchor);
  BOOST_TEST((second.elapsed() - begin == 15s));
  const time_anchor last = second.anchor();
  machine.reboot("boot-2");
  partition_clock third(machine);
  third.begin(last);
  machine.advance(1s);
  BOOST_TEST((third.elapsed() - begin >= 16s));
}

// --- Steps of the wall clock -------------------------------------------------

BOOST_AUTO_TEST_CASE(steps_of_the_wall_clock_are_noticed) {
  wall_watch watch;
  boot_time boot(1h);
  timestamp wall = clock_noon;
  BOOST_TEST(!watch.check(wall, boot));
  BOOST_TEST(!watch.check(wall + 5min, boot + 5min));
  for (const duration step : {duration(1h), duration(-1h), duration(100ms),
                              duration(-100ms), duration(24h * 365 * 50)}) {
    wall += step;
    const auto noticed = watch.check(wall, boot);
    BOOST_TEST_REQUIRE(noticed.has_value());
    BOOST_TEST((*noticed == step));
    BOOST_TEST(!watch.check(wall, boot)); // once
  }
  // Many small steps add up to one.
  int noticed = 0;
  for (int i = 0; i < 10; ++i)
    noticed += watch.check(wall += 30ms, boot) ? 1 : 0;
  BOOST_TEST(noticed == 2);
}

// --- The settled clock -------------------------------------------------------

namespace {

struct settled_fixture {
  void learn_new() {
    settled.learn({true, std::nullopt});
  }

  void learn_anchor(const std::string& boot, duration wall_step = {}) {
    time_anchor anchor{
      boot, machine.since_boot(), machine.now() - wall_step, {}};
    settled.learn({false, anchor});
  }

  manual_clock machine;
  settled_clock settled{machine, 1h};
};

} // namespace

BOOST_FIXTURE_TEST_CASE(leap_is_not_followed_before_it_has_lasted,
                        settled_fixture) {
  learn_new();
  const timestamp begin = machine.now();
  BOOST_TEST((settled.now() == begin));
  machine.step_wall(24h * 40);
  for (int minute = 0; minute < 60; ++minute) {
    BOOST_TEST((settled.now() == begin + std::chrono::minutes(minute)));
    machine.advance(1min);
  }
  BOOST_TEST((settled.now() == machine.now()));
}

BOOST_FIXTURE_TEST_CASE(leap_that_ends_is_forgotten, settled_fixture) {
  learn_new();
  for (int i = 0; i < 5; ++i) {
    machine.step_wall(24h * 40);
    settled.now();
    machine.advance(50min);
    BOOST_TEST((settled.now() < machine.now() - 24h * 39));
    machine.step_wall(-24h * 40);
    machine.advance(1min);
    BOOST_TEST((settled.now() == machine.now()));
  }
}

BOOST_FIXTURE_TEST_CASE(another_leap_must_last_as_long, settled_fixture) {
  learn_new();
  machine.step_wall(24h);
  settled.now();
  machine.advance(50min);
  machine.step_wall(24h);
  settled.now();
  machine.advance(50min);
  BOOST_TEST((settled.now() < machine.now() - 47h));
  machine.advance(10min);
  BOOST_TEST((settled.now() == machine.now()));
}

// An instance is never purged earlier because of it.
BOOST_FIXTURE_TEST_CASE(clock_that_is_set_back_is_followed_at_once,
                        settled_fixture) {
  learn_new();
  machine.step_wall(-1h);
  BOOST_TEST((settled.now() == machine.now()));
  machine.advance(2h);
  BOOST_TEST((settled.now() == machine.now()));
}

BOOST_FIXTURE_TEST_CASE(small_steps_are_followed_at_once, settled_fixture) {
  learn_new();
  machine.step_wall(4s);
  BOOST_TEST((settled.now() == machine.now()));
}

BOOST_FIXTURE_TEST_CASE(nothing_is_known_without_evidence, settled_fixture) {
  BOOST_TEST(!settled.now());
  learn_anchor("another boot");
  settled.learn({false, std::nullopt}); // of an older format
  BOOST_TEST(!settled.now());
  machine.advance(59min);
  BOOST_TEST(!settled.now());
  machine.advance(1min);
  BOOST_TEST((settled.now() == machine.now()));
}

BOOST_FIXTURE_TEST_CASE(anchor_of_this_boot_shows_a_leap_before_the_start,
                        settled_fixture) {
  learn_anchor(machine.boot_id(), 24h * 40);
  BOOST_TEST((settled.now() == machine.now() - 24h * 40));
  learn_new(); // another partition, which has no turns
  BOOST_TEST((settled.now() == machine.now() - 24h * 40));
  machine.step_wall(-24h * 40);
  BOOST_TEST((settled.now() == machine.now()));
}

BOOST_FIXTURE_TEST_CASE(anchor_of_this_boot_confirms_the_time,
                        settled_fixture) {
  learn_anchor(machine.boot_id());
  BOOST_TEST((settled.now() == machine.now()));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
