// SPDX-License-Identifier: Apache-2.0
/// How tests wait for events. A test asserts order, counts and outcomes; the
/// speed of the machine must not decide its result.
#pragma once

#include <chrono>
#include <thread>

namespace perdura::tests {

/// How long a test waits for an event that must happen. When this time is over,
/// the event counts as "did not happen" and the test fails. The value is far
/// above every normal duration and says nothing about speed.
inline constexpr std::chrono::seconds patience{60};

/// A time-out that no test lives to see: the limit of a test case ends the test
/// first. A call with this time-out that returns has not waited for it.
inline constexpr std::chrono::hours never{1};

/// Calls `happened` every few milliseconds until it returns true. For
/// conditions that have no event to wait for.
/// @return false if `happened` has not returned true within `patience`.
template <class F>
bool eventually(F happened) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!happened()) {
    if (std::chrono::steady_clock::now() >= until)
      return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

/// Shows that something did not happen too early. A busy machine makes events
/// late and never early, so this lower limit cannot fail because of its load.
/// Create the object before the measured action begins.
class minimum_time {
public:
  bool has_passed(std::chrono::steady_clock::duration least) const {
    return std::chrono::steady_clock::now() - from_ >= least;
  }

private:
  std::chrono::steady_clock::time_point from_
    = std::chrono::steady_clock::now();
};

} // namespace perdura::tests
