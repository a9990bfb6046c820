/// Time, chance and order of a simulation: one seed, one order of events. What
/// happens is hashed, so that two runs of one seed can be compared, and
/// counted, so that a run that meets nothing is noticed.
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

using cluster::moment;

class simulated_world {
public:
  using action = std::function<void()>;

  explicit simulated_world(std::uint64_t seed);

  moment now() const {
    return now_;
  }

  /// Events of one moment come in the order in which they were asked for.
  void at(moment when, action what);

  void after(moment delay, action what) {
    at(now_ + delay, std::move(what));
  }

  /// The next event; false if there is none.
  bool step();

  // --- Chance ---------------------------------------------------------------

  /// 0 … most − 1.
  std::uint64_t below(std::uint64_t most);

  /// True once in so many times.
  bool once_in(std::uint64_t times) {
    return below(times) == 0;
  }

  moment between(moment least, moment most);

  // --- Records --------------------------------------------------------------

  void trace(std::string_view kind, std::uint64_t who,
             std::string_view details = {});

  std::uint64_t hash() const {
    return hash_;
  }

  std::uint64_t events() const {
    return events_;
  }

  /// One more of these. `expect` makes a counter known before it is hit.
  void count(const char* what) {
    ++counters_[what];
  }

  void expect(const char* what) {
    counters_[what];
  }

  const std::map<std::string, std::uint64_t, std::less<>>& counters() const {
    return counters_;
  }

  void complain(std::string sentence);

  const std::vector<std::string>& complaints() const {
    return complaints_;
  }

private:
  struct event {
    moment when{};
    std::uint64_t number = 0;
    action what;
  };

  struct is_later {
    bool operator()(const event& a, const event& b) const {
      return a.when != b.when ? a.when > b.when : a.number > b.number;
    }
  };

  std::vector<event> queue_; ///< A heap: the next one first.
  moment now_{};
  std::uint64_t last_number_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t hash_ = 0;
  std::mt19937_64 chance_;
  std::map<std::string, std::uint64_t, std::less<>> counters_;
  std::vector<std::string> complaints_;
};

} // namespace perdura::tests
