// SPDX-License-Identifier: Apache-2.0
/// Runs an orchestration on a turn_driver until it completes: its activities,
/// children, timers and events fail and succeed in a random order, and each
/// failed instance is rewound. Counts how often each activity succeeds.
#pragma once

#include "tests/actors/turn_driver.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace perdura::actors::test {

/// An activity or a child is identified by its name and the number in its
/// input, for example "A 3".
class rewind_runner {
public:
  rewind_runner(turn_driver& run, unsigned seed) : run_(run), random_(seed) {}

  /// How often each activity and child fails before it succeeds.
  std::map<std::string, int> failures;
  /// How often an activity succeeds, by its name; 1 if it is not listed.
  std::map<std::string, int> successes;
  /// External events in the order in which they arrive: name and data. An event
  /// that the code could not read is followed by one that it can.
  std::vector<std::pair<std::string, std::string>> events;
  /// Changes the event of each rewind; for planted faults.
  std::function<void(turn_driver&)> after_rewind;

  std::map<std::string, int> succeeded;
  std::vector<std::string> violations;
  int rewinds = 0;

  /// Returns the output of the instance.
  std::string run_to_completion() {
    run_.turn();
    for (int steps = 0; steps < 4000; ++steps) {
      if (std::holds_alternative<completed_result>(run_.last.result)) {
        check();
        return run_.output();
      }
      if (std::holds_alternative<held_result>(run_.last.result)) {
        violations.push_back(
          "held: " + std::get<held_result>(run_.last.result).reason.message);
        return "held";
      }
      const bool failed = run_.has_ended();
      const bool moved = step(failed);
      if (failed && (!moved || chance(2))) {
        run_.rewind();
        ++rewinds;
        if (after_rewind)
          after_rewind(run_);
        if (chance(2))
          step(false);
        run_.turn();
        arrived_ = false;
      } else if (!failed && (!moved || chance(2))) {
        if (!moved && !arrived_ && !advance()) {
          violations.push_back("stuck");
          return "stuck";
        }
        if (chance(4))
          run_.evict();
        run_.turn();
        arrived_ = false;
      }
    }
    violations.push_back("does not end");
    return "does not end";
  }

private:
  bool chance(unsigned one_in) {
    return random_() % one_in == 0;
  }

  static std::string key_of(const std::string& name, const std::string& input) {
    const json in = json::parse(input);
    return name + " " + (in.is_array() ? in.at(0) : in).dump();
  }

  /// Ends one open activity or child. Returns false if there is none.
  bool step(bool failed) {
    run_.now += std::chrono::milliseconds(1 + random_() % 50);
    std::vector<task_sequence> ready;
    for (const auto& [task, what] : run_.open)
      if (std::holds_alternative<task_scheduled>(what)
          || std::holds_alternative<sub_orchestration_instance_created>(what))
        ready.push_back(task);
    if (ready.empty() || (failed && chance(2)))
      return false;
    arrived_ = true;
    const task_sequence task = ready[random_() % ready.size()];
    const history_body what = run_.open.at(task);
    if (const auto* activity = std::get_if<task_scheduled>(&what)) {
      if (ends_well(key_of(activity->name, activity->input)))
        run_.complete(task, "\"r\"");
      else
        run_.fail(task);
    } else {
      const auto& child = std::get<sub_orchestration_instance_created>(what);
      if (ends_well(key_of(child.name, child.input)))
        run_.child_complete(task, "\"c\"");
      else
        run_.child_fail(task);
    }
    return true;
  }

  bool ends_well(const std::string& key) {
    int& left = failures[key];
    if (left > 0) {
      --left;
      return false;
    }
    ++succeeded[key];
    return true;
  }

  /// Nothing runs any more: raises the next event or fires the next timer.
  bool advance() {
    task_sequence first = 0;
    timestamp at = timestamp::max();
    for (const auto& [task, what] : run_.open)
      if (const auto* timer = std::get_if<timer_created>(&what);
          timer && timer->fire_at < at) {
        first = task;
        at = timer->fire_at;
      }
    // An event that no wait is open for would be buffered.
    const auto awaited
      = std::find_if(events.begin(), events.end(), [&](const auto& event) {
          return std::any_of(
            run_.waits.begin(), run_.waits.end(),
            [&](const auto& wait) { return wait.second == event.first; });
        });
    if (awaited != events.end() && (first == 0 || chance(2))) {
      run_.raise(awaited->first, awaited->second);
      events.erase(awaited);
      return true;
    }
    if (first == 0)
      return false;
    run_.fire_timer(first);
    return true;
  }

  void check() {
    for (const auto& [key, count] : succeeded) {
      const auto listed = successes.find(key.substr(0, key.find(' ')));
      if (count != (listed == successes.end() ? 1 : listed->second))
        violations.push_back(key + " has succeeded " + std::to_string(count)
                             + " times");
    }
  }

  turn_driver& run_;
  std::mt19937 random_;
  bool arrived_ = false; ///< A result has arrived since the last turn.
};

} // namespace perdura::actors::test
