// SPDX-License-Identifier: Apache-2.0
#include <perdura/persistence/records/time_arithmetic.hpp>

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <limits>

namespace perdura::tests {

using namespace persistence;
using namespace std::chrono_literals;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

namespace {

using real_seconds = std::chrono::duration<double>;

/// Years with a count of one byte: the count of each other unit is greater.
using short_years = std::chrono::duration<std::int8_t, std::ratio<31'556'952>>;

} // namespace

BOOST_AUTO_TEST_SUITE(time_arithmetic)

BOOST_AUTO_TEST_CASE(conversion_keeps_what_the_type_can_hold) {
  BOOST_TEST((saturated<duration>(2h) == 2h));
  BOOST_TEST((saturated<duration>(nanoseconds(1'999)) == 1us));
  BOOST_TEST((saturated<duration>(nanoseconds(-1'999)) == -1us));
  BOOST_TEST((saturated<milliseconds>(1'999us) == 1ms));
  BOOST_TEST((saturated<duration>(real_seconds(0.25)) == 250ms));
  BOOST_TEST((saturated<duration>(short_years(100)) == hours(876'582)));
  for (const duration each : {duration::max(), duration::min(), duration(0),
                              duration::max() - 1us, duration::min() + 1us})
    BOOST_TEST((saturated<duration>(each) == each));
}

BOOST_AUTO_TEST_CASE(conversion_beyond_the_range_gives_its_end) {
  BOOST_TEST((saturated<duration>(milliseconds(10'000'000'000'000'000))
              == duration::max()));
  BOOST_TEST((saturated<duration>(milliseconds(-10'000'000'000'000'000))
              == duration::min()));
  BOOST_TEST((saturated<duration>(hours::max()) == duration::max()));
  BOOST_TEST((saturated<duration>(hours::min()) == duration::min()));
  BOOST_TEST((saturated<nanoseconds>(duration::max()) == nanoseconds::max()));
  BOOST_TEST((saturated<duration>(real_seconds(1e300)) == duration::max()));
  BOOST_TEST(
    (saturated<duration>(real_seconds(-std::numeric_limits<double>::infinity()))
     == duration::min()));
  BOOST_TEST(
    (saturated<duration>(real_seconds(std::numeric_limits<double>::quiet_NaN()))
     == duration::zero()));
}

BOOST_AUTO_TEST_CASE(sums_and_differences_end_at_the_range) {
  constexpr duration most = duration::max();
  constexpr duration least = duration::min();
  BOOST_TEST((saturated_sum(most, 1us) == most));
  BOOST_TEST((saturated_sum(least, -1us) == least));
  BOOST_TEST((saturated_sum(most, least) == -1us));
  BOOST_TEST((saturated_difference(least, 1us) == least));
  BOOST_TEST((saturated_difference(most, -1us) == most));
  BOOST_TEST((saturated_difference(0us, least) == most));
  const timestamp now(hours(500'000));
  BOOST_TEST((saturated_sum(now, most) == timestamp::max()));
  BOOST_TEST((saturated_sum(now, 1h) == now + 1h));
  BOOST_TEST((saturated_difference(timestamp::min(), 1us) == timestamp::min()));
  BOOST_TEST((saturated_difference(now, timestamp::min()) == most));
  BOOST_TEST((saturated_difference(timestamp::min(), now) == least));
}

BOOST_AUTO_TEST_CASE(wait_is_never_negative_and_fits_into_the_steady_clock) {
  BOOST_TEST((bounded_wait(-5ms) == 0ms));
  BOOST_TEST((bounded_wait(duration::min()) == 0ms));
  BOOST_TEST((bounded_wait(20ms) == 20ms));
  for (const duration each :
       {duration::max(), saturated<duration>(hours::max()),
        saturated<duration>(hours(24 * 365'250))})
    BOOST_TEST((bounded_wait(each) == wait_longest));
  // An uptime of 100 years is possible, too.
  BOOST_TEST((nanoseconds::max() / 2 > nanoseconds(wait_longest)));
}

BOOST_AUTO_TEST_CASE(option_accepts_each_unit) {
  const time_span long_time = milliseconds(10'000'000'000'000'000);
  BOOST_TEST((long_time.value() == duration::max()));
  BOOST_TEST((long_time == hours::max()));
  BOOST_TEST((long_time > 1h));
  const time_span negative = hours::min();
  BOOST_TEST((negative.value() == duration::min()));
  const wait_time wait = hours::max();
  BOOST_TEST((wait.value() == milliseconds::max()));
  const duration back = wait; // saturates, too
  BOOST_TEST((back == duration::max()));
  BOOST_TEST((wait_time(1'500us).count() == 1));
}

// Regression: `.scheduled_at = system_clock::now() + 5s` did not compile.
BOOST_AUTO_TEST_CASE(point_in_time_is_made_from_a_time_in_any_unit) {
  using std::chrono::sys_days;
  using std::chrono::sys_seconds;
  using std::chrono::system_clock;
  const timestamp wanted{std::chrono::seconds(1'700'000'000)};
  const point_in_time points[]
    = {wanted, sys_seconds(std::chrono::seconds(1'700'000'000)),
       std::chrono::time_point<system_clock, std::chrono::nanoseconds>(
         std::chrono::seconds(1'700'000'000)),
       std::chrono::time_point<system_clock, std::chrono::duration<double>>(
         std::chrono::duration<double>(1.7e9))};
  for (const point_in_time each : points) {
    BOOST_TEST((each == wanted));
    BOOST_TEST((timestamp(each) == wanted));
    BOOST_TEST((each > point_in_time(sys_days())));
  }
  const system_clock::time_point read_from_clock(
    std::chrono::seconds(1'700'000'000));
  const point_in_time later = read_from_clock + std::chrono::seconds(5);
  BOOST_TEST((later == point_in_time(wanted + std::chrono::seconds(5))));
  // A time that microseconds cannot hold becomes the last one that they can.
  const std::chrono::time_point<system_clock, std::chrono::hours> latest(
    std::chrono::hours::max());
  BOOST_TEST((point_in_time(latest) == timestamp::max()));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
