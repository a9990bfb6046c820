// SPDX-License-Identifier: Apache-2.0
/// A discrete-event simulator with simulated time and seeded randomness. The
/// same seed gives the same order of events. All events are hashed, so that two
/// runs can be compared, and counted, so that a test can require that every
/// kind of event occurs.
///
/// Not thread-safe.
#pragma once

#include "cluster/transport/peer_link.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::tests {

using cluster::steady_time;

class simulator {
public:
  using action = std::function<void()>;

  explicit simulator(std::uint64_t seed);

  steady_time now() const {
    return now_;
  }

  /// Schedules an action. Actions of the same time run in the order in which
  /// they were scheduled. A time in the past means now.
  void at(steady_time when, action what);

  void after(steady_time delay, action what) {
    at(now_ + delay, std::move(what));
  }

  /// Runs the next action; returns false if there is none.
  bool step();

  // --- Randomness -----------------------------------------------------------

  /// A random number from 0 to most − 1.
  std::uint64_t below(std::uint64_t most);

  /// True with a probability of 1 / times.
  bool once_in(std::uint64_t times) {
    return below(times) == 0;
  }

  /// A random time; both bounds are included.
  steady_time between(steady_time least, steady_time most);

  // --- Results --------------------------------------------------------------

  /// Adds an event to the hash.
  void trace(std::string_view kind, std::uint64_t who,
             std::string_view details = {});

  std::uint64_t hash() const {
    return hash_;
  }

  std::uint64_t events() const {
    return events_;
  }

  /// Increments a counter. expect() creates a counter with the value 0.
  void count(const char* what) {
    ++counters_[what];
  }

  void expect(const char* what) {
    counters_[what];
  }

  const std::map<std::string, std::uint64_t, std::less<>>& counters() const {
    return counters_;
  }

  /// Adds a violated invariant; at most 50 are kept.
  void report_violation(std::string sentence);

  const std::vector<std::string>& violations() const {
    return violations_;
  }

private:
  struct event {
    steady_time when{};
    std::uint64_t number = 0;
    action what;
  };

  struct is_later {
    bool operator()(const event& a, const event& b) const {
      return a.when != b.when ? a.when > b.when : a.number > b.number;
    }
  };

  std::vector<event> queue_; ///< A heap; the next event is first.
  steady_time now_{};
  std::uint64_t last_number_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t hash_ = 0;
  std::mt19937_64 chance_;
  std::map<std::string, std::uint64_t, std::less<>> counters_;
  std::vector<std::string> violations_;
};

} // namespace perdura::tests
