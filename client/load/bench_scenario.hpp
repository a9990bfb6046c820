// SPDX-License-Identifier: Apache-2.0
/// The scenarios of `perdura bench`. Reports are stored and compared by
/// scenario name, so a name must keep its meaning.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::client {

/// How the requests of a scenario are sent.
enum class scenario_kind : std::uint8_t {
  wait,   ///< One request starts an instance and waits for its end.
  event,  ///< One request waits, another raises an event; see event_load.
  status, ///< Each request reads the status of a completed instance.
};

/// A kind of request to measure, and how its figures are counted.
struct bench_scenario {
  std::string name;
  std::string description; ///< A few words for the help text.
  scenario_kind kind = scenario_kind::wait;
  std::string unit = "orchestration"; ///< See bench_figure.
  double units_per_response = 1;      ///< The number of units per response.
  std::string target = {};            ///< Path and query of the request.
  std::string body = {};              ///< JSON; empty means no body.
  /// The time in microseconds that an instance takes by design, e.g. a timer's
  /// delay. It is subtracted from the latencies.
  std::uint32_t fixed_delay_us = 0;
  /// Requests in flight if the command line gives no load.
  std::vector<std::size_t> default_in_flight = {16};
};

/// All scenarios, in the order of the help text.
const std::vector<bench_scenario>& bench_scenarios();

/// Returns null if there is no scenario of that name.
const bench_scenario* find_scenario(std::string_view name);

} // namespace perdura::client
