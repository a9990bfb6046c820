// SPDX-License-Identifier: Apache-2.0
/// Arithmetic for durations and times that come from callers. A result that the
/// type cannot hold becomes the nearest value that it can; nothing overflows.
/// All functions are pure.
#pragma once

#include <perdura/persistence/records/ids.hpp>

#include <algorithm>
#include <chrono>
#include <compare>

namespace perdura::persistence {

/// Converts a duration of any unit to `To`, rounded towards zero. A NaN becomes
/// zero.
template <class To, class Rep, class Period>
constexpr To saturated(std::chrono::duration<Rep, Period> from) {
  // The 64 bits of the mantissa of a long double hold each count exactly.
  using wide = std::chrono::duration<long double, typename To::period>;
  const long double count = wide(from).count();
  if (count != count)
    return To::zero();
  if (count >= static_cast<long double>(To::max().count()))
    return To::max();
  if (count <= static_cast<long double>(To::min().count()))
    return To::min();
  return To(static_cast<typename To::rep>(count));
}

/// Returns a + b.
constexpr duration saturated_sum(duration a, duration b) {
  duration::rep sum = 0;
  if (__builtin_add_overflow(a.count(), b.count(), &sum))
    return b < duration::zero() ? duration::min() : duration::max();
  return duration(sum);
}

/// Returns `from + by`.
template <class Clock>
constexpr std::chrono::time_point<Clock, duration>
saturated_sum(std::chrono::time_point<Clock, duration> from, duration by) {
  return std::chrono::time_point<Clock, duration>(
    saturated_sum(from.time_since_epoch(), by));
}

/// Returns a − b.
constexpr duration saturated_difference(duration a, duration b) {
  duration::rep difference = 0;
  if (__builtin_sub_overflow(a.count(), b.count(), &difference))
    return b < duration::zero() ? duration::max() : duration::min();
  return duration(difference);
}

/// Returns `from − by`.
template <class Clock>
constexpr std::chrono::time_point<Clock, duration>
saturated_difference(std::chrono::time_point<Clock, duration> from,
                     duration by) {
  return std::chrono::time_point<Clock, duration>(
    saturated_difference(from.time_since_epoch(), by));
}

/// Returns the time from `b` to `a`.
template <class Clock>
constexpr duration
saturated_difference(std::chrono::time_point<Clock, duration> a,
                     std::chrono::time_point<Clock, duration> b) {
  return saturated_difference(a.time_since_epoch(), b.time_since_epoch());
}

/// The longest time for which a thread or an alarm of this program waits. It
/// can be added to each time of the steady clock, which counts nanoseconds.
inline constexpr duration wait_longest = std::chrono::hours(24 * 365 * 100);

/// Returns a time to wait: from 0 to `wait_longest`.
template <class Rep, class Period>
constexpr duration bounded_wait(std::chrono::duration<Rep, Period> wanted) {
  return std::clamp(saturated<duration>(wanted), duration::zero(),
                    wait_longest);
}

/// A duration in the unit of `Duration` that is made from a duration of any
/// unit. std::chrono multiplies or divides the count in such a conversion: ten
/// million hours in an option that counts nanoseconds overflow.
template <class Duration>
class saturating {
public:
  using rep = typename Duration::rep;

  constexpr saturating() = default;

  template <class Rep, class Period>
  constexpr saturating( // NOLINT(google-explicit-constructor)
    std::chrono::duration<Rep, Period> from)
    : value_(saturated<Duration>(from)) {}

  template <class Rep, class Period>
  constexpr operator // NOLINT(google-explicit-constructor)
    std::chrono::duration<Rep, Period>() const {
    return saturated<std::chrono::duration<Rep, Period>>(value_);
  }

  constexpr Duration value() const {
    return value_;
  }

  constexpr rep count() const {
    return value_.count();
  }

  friend constexpr bool operator==(saturating a, saturating b) {
    return a.value_ == b.value_;
  }

  friend constexpr std::strong_ordering operator<=>(saturating a,
                                                    saturating b) {
    return a.value_.count() <=> b.value_.count();
  }

private:
  Duration value_{0};
};

/// A duration in microseconds, made from a duration of any unit.
using time_span = saturating<duration>;

/// A duration in milliseconds, made from a duration of any unit.
using wait_time = saturating<std::chrono::milliseconds>;

/// A UTC time in microseconds, made from a time of the system clock in any
/// unit, such as `std::chrono::system_clock::now() + 5s`.
class point_in_time {
public:
  constexpr point_in_time() = default;

  template <class Duration>
  constexpr point_in_time( // NOLINT(google-explicit-constructor)
    std::chrono::time_point<std::chrono::system_clock, Duration> from)
    : value_(saturated<duration>(from.time_since_epoch())) {}

  constexpr operator timestamp() const { // NOLINT(google-explicit-constructor)
    return value_;
  }

  friend constexpr bool operator==(point_in_time a, point_in_time b) {
    return a.value_ == b.value_;
  }

  friend constexpr std::strong_ordering operator<=>(point_in_time a,
                                                    point_in_time b) {
    return a.value_.time_since_epoch().count()
           <=> b.value_.time_since_epoch().count();
  }

private:
  timestamp value_{};
};

} // namespace perdura::persistence
