// SPDX-License-Identifier: Apache-2.0
/// Runs the scenarios of `perdura bench` against nodes and measures them.
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

/// The scenarios to run, and the loads of each.
struct bench_plan {
  std::vector<bench_scenario> scenarios;
  /// Closed loops with these numbers of requests in flight. If this list and
  /// `rates` are both empty, each scenario's own numbers are used.
  std::vector<std::size_t> in_flight;
  /// Open loops with these numbers of requests per second.
  std::vector<double> rates;
  std::chrono::milliseconds time{3'000};    ///< Length of each round.
  std::chrono::milliseconds warm_up{1'000}; ///< Before the first round.
  std::size_t rounds = 3;

  /// The planned length of all rounds and warm-ups together.
  double seconds() const;
};

/// Receives the progress of a run and can stop it.
struct bench_observer {
  /// Called about ten times a second, on the measuring thread, with the
  /// scenario and load that is being measured and the number of seconds of the
  /// plan that have passed. The measurement stops when the function returns
  /// false. May be empty.
  std::function<bool(const std::string& load, double seconds)> progress;
};

/// The nodes that are measured. The probe is not owned.
struct bench_target {
  std::vector<load_endpoint> endpoints;
  commit_probe* probe = nullptr; ///< Null means no probe_commit_us figure.
};

/// Measures each scenario under each load and calls `add` with each result.
/// @error errc::cancelled    The observer returned false.
/// @error errc::unavailable  A node does not answer.
/// @throws std::runtime_error  The constructor of http_load has thrown.
persistence::result<void>
run_bench(const bench_plan& plan, const bench_target& target,
          const bench_observer& observer,
          const std::function<void(bench_result)>& add);

} // namespace perdura::client
