#include "client/load/bench_scenario.hpp"

#include <algorithm>

namespace perdura::client {

namespace {

/// @source The sample HttpSyncStart: start, wait, answer with the output.
std::string started(const std::string& orchestrator, int seconds_max = 30) {
  return "/orchestrators/" + orchestrator
         + "/wait?timeout=" + std::to_string(seconds_max);
}

bench_scenario sequence_of(int activities, int seconds_max, std::size_t load) {
  const std::string n = std::to_string(activities);
  return {.name = "sequence-" + n,
          .what = n + " activities one after the other",
          .unit = "activity",
          .units = static_cast<double>(activities),
          .target = started("Sequence", seconds_max),
          .body = n,
          .in_flight = {load}};
}

} // namespace

const std::vector<bench_scenario>& bench_scenarios() {
  static const std::vector<bench_scenario> all{
    {.name = "hello",
     .what = "HelloSequence: three activities in sequence",
     .target = started("HelloSequence"),
     .in_flight = {1, 16, 128}},
    {.name = "hello-5",
     .what = "five activities in sequence",
     .target = started("Sequence"),
     .body = "5"},
    {.name = "empty",
     .what = "Echo: no activity at all",
     .target = started("Echo"),
     .body = R"({"order":17})",
     .in_flight = {128}},
    {.name = "fan-out",
     .what = "FanOutFanIn: 100 activities at once",
     .target = started("FanOutFanIn"),
     .body = "100",
     .in_flight = {16}},
    {.name = "sub",
     .what = "Parent: HelloSequence 5 times as children",
     .target = started("Parent"),
     .body = "5",
     .in_flight = {8}},
    {.name = "event",
     .what = "from raising an event until a parked waiter is answered",
     .kind = scenario_kind::event,
     .in_flight = {1, 16}},
    {.name = "timer",
     .what = "Sleep of 5 ms: how much longer it takes, start included",
     .target = started("Sleep"),
     .body = "5",
     .own_us = 5'000},
    // As many at once, so that an activity's cost can be compared: does it grow
    // with the history?
    sequence_of(10, 30, 4),
    // 300 s: the longest wait that a node allows. One that runs alone takes
    // a commit for each activity.
    sequence_of(10'000, 300, 4),
    {.name = "status",
     .what = "GET status of instances that have ended",
     .kind = scenario_kind::status,
     .unit = "request",
     .in_flight = {32}},
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
