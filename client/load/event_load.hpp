/// Instances that wait for an event, each with a caller who waits for its
/// end: how soon does who waits know of what was raised?
#pragma once

#include "client/load/http_load.hpp"

namespace perdura::client {

class event_load {
public:
  /// `at_once` instances at a time; two connections for each. `prefix` is how
  /// their IDs begin: nobody else's may.
  /// @throws std::runtime_error as http_load
  event_load(const std::vector<load_door>& doors, std::size_t at_once,
             std::string prefix);

  /// A latency is from raising the event until the waiter has his answer.
  load_outcome run(std::chrono::milliseconds time);

  http_load& connections() {
    return load_;
  }

private:
  /// One instance after the other.
  struct place {
    std::string id;
    bool is_started = false;
    bool failed = false;
    int answers_missing = 0;
    load_answer::time_point raised_at;
  };

  void begin(std::size_t index);
  void raise(std::size_t index);
  void take(const load_answer& answer);
  void note(const place& whose, const load_answer& answer);

  std::vector<load_door> doors_;
  std::string prefix_;
  http_load load_;
  std::vector<place> places_;
  std::uint64_t number_ = 0;
  load_answer::time_point until_;
  load_outcome outcome_;
};

} // namespace perdura::client
