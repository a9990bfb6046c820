/// What `perdura bench` can ask a node to do: by these names figures are kept
/// and compared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::client {

/// How one goes about it.
enum class scenario_kind : std::uint8_t {
  wait,   ///< One request starts an instance and waits for its end.
  event,  ///< A waiter is parked, an event raised; see event_load.hpp.
  status, ///< Looks at instances that ended before.
};

struct bench_scenario {
  std::string name;
  std::string what; ///< For the help, a few words.
  scenario_kind kind = scenario_kind::wait;
  std::string unit = "orchestration"; ///< What figures are given for each of.
  double units = 1;                   ///< So many of them for each answer.
  std::string target = {};            ///< Of the request, path and query.
  std::string body = {};
  /// It takes so long by itself: latencies are what comes on top.
  std::uint32_t own_us = 0;
  std::vector<std::size_t> in_flight = {16}; ///< Unless told.
};

const std::vector<bench_scenario>& bench_scenarios();

/// Null if there is none of that name.
const bench_scenario* find_scenario(std::string_view name);

} // namespace perdura::client
