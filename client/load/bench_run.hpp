/// Puts scenarios to nodes, round after round, and says what each has cost.
#pragma once

#include "client/load/bench_report.hpp"
#include "client/load/bench_scenario.hpp"
#include "client/load/http_load.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace perdura::client {

class commit_probe;

struct bench_plan {
  std::vector<bench_scenario> scenarios;
  /// Closed loops with so many requests at once; empty: as each scenario has
  /// it, unless there are rates.
  std::vector<std::size_t> in_flight;
  /// Open loops with so many requests a second.
  std::vector<double> rates;
  std::chrono::milliseconds time{3'000}; ///< Of each round.
  std::chrono::milliseconds warm_up{1'000};
  std::size_t rounds = 3;

  /// All rounds and warm-ups, if nothing takes longer.
  double seconds() const;
};

struct bench_watch {
  /// What is measured, and how many seconds of the plan are over; about ten
  /// times a second. False stops it.
  std::function<bool(const std::string& what, double seconds)> progress;
};

/// Where the load goes, and what is measured beside it.
struct bench_target {
  std::vector<load_door> doors;
  commit_probe* probe = nullptr; ///< None: no commit is tried alone.
};

/// A result for each scenario and load; `add` is told each as it comes.
/// @error errc::cancelled    The watch has stopped it.
/// @error errc::unavailable  A node does not answer.
/// @throws std::runtime_error as http_load
persistence::result<void>
run_bench(const bench_plan& plan, const bench_target& target,
          const bench_watch& watch,
          const std::function<void(bench_result)>& add);

} // namespace perdura::client
