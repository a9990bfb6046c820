// SPDX-License-Identifier: Apache-2.0
#include "client/load/bench_scenario.hpp"

#include <algorithm>

namespace perdura::client {

namespace {

/// The path and query of a request that starts an instance and waits for its
/// output, at most `seconds_max`.
/// @source The sample HttpSyncStart of Durable Functions.
std::string start_and_wait(const std::string& orchestrator,
                           int seconds_max = 30) {
  return "/orchestrators/" + orchestrator
         + "/wait?timeout=" + std::to_string(seconds_max);
}

/// The scenario "sequence-N". `seconds_max` is how long a request may wait.
bench_scenario sequence_of(int activities, int seconds_max, std::size_t load) {
  const std::string n = std::to_string(activities);
  return {.name = "sequence-" + n,
          .description = "runs " + n + " activities in sequence",
          .unit = "activity",
          .units_per_response = static_cast<double>(activities),
          .target = start_and_wait("Sequence", seconds_max),
          .body = n,
          .default_in_flight = {load}};
}

} // namespace

const std::vector<bench_scenario>& bench_scenarios() {
  static const std::vector<bench_scenario> all{
    {.name = "hello",
     .description = "runs 3 activities in sequence (sample HelloSequence)",
     .target = start_and_wait("HelloSequence"),
     .default_in_flight = {1, 16, 128}},
    {.name = "hello-5",
     .description = "runs 5 activities in sequence",
     .target = start_and_wait("Sequence"),
     .body = "5"},
    {.name = "empty",
     .description = "runs no activity (sample Echo)",
     .target = start_and_wait("Echo"),
     .body = R"({"order":17})",
     .default_in_flight = {128}},
    {.name = "fan-out",
     .description = "runs 100 activities in parallel (sample FanOutFanIn)",
     .target = start_and_wait("FanOutFanIn"),
     .body = "100",
     .default_in_flight = {16}},
    {.name = "sub",
     .description = "runs 5 HelloSequence sub-orchestrations (sample Parent)",
     .target = start_and_wait("Parent"),
     .body = "5",
     .default_in_flight = {8}},
    {.name = "event",
     .description
     = "measures the time from raising an event to the end of the instance",
     .kind = scenario_kind::event,
     .default_in_flight = {1, 16}},
    {.name = "timer",
     .description = "waits for a timer of 5 ms; latencies exclude the 5 ms",
     .target = start_and_wait("Sleep"),
     .body = "5",
     .fixed_delay_us = 5'000},
    // Both sequences have the same number in flight, so that the cost of an
    // activity can be compared between a short and a long history.
    sequence_of(10, 30, 4),
    // 300 s is the longest wait that a node allows. The sequence needs at least
    // one commit for each activity.
    sequence_of(10'000, 300, 4),
    {.name = "status",
     .description = "reads the status of completed instances",
     .kind = scenario_kind::status,
     .unit = "request",
     .default_in_flight = {32}},
  };
  return all;
}

const bench_scenario* find_scenario(std::string_view name) {
  const auto& all = bench_scenarios();
  const auto found
    = std::find_if(all.begin(), all.end(), [&](const bench_scenario& each) {
        return each.name == name;
      });
  return found == all.end() ? nullptr : &*found;
}

} // namespace perdura::client
