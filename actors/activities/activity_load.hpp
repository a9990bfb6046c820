// SPDX-License-Identifier: Apache-2.0
/// How busy the activities of a node are, by name, and what blocks them. Pure:
/// the pool collects the facts, and these functions evaluate them.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace perdura::actors {

/// The activities of one name on one node.
struct activity_load {
  std::string name;
  std::size_t running = 0; ///< Runs, including the given-up ones.
  /// Runs whose time-out has passed. Their results are dropped, but the code
  /// has not returned, so each still occupies a thread.
  std::size_t given_up = 0;
  std::size_t queued = 0; ///< Waiting for a thread, or for the name's limit.
  /// How long the oldest run has lasted; 0 if none runs.
  std::chrono::steady_clock::duration oldest{};
  std::string oldest_instance; ///< The instance of the oldest run.

  bool operator==(const activity_load&) const = default;
};

/// One run, as the pool sees it.
struct activity_run {
  std::string name;
  std::string instance;
  std::chrono::steady_clock::duration lasted{};
  bool given_up = false;
};

/// The facts about a pool at one moment.
struct activity_facts {
  std::vector<activity_run> runs;
  std::vector<std::pair<std::string, std::size_t>> queued; ///< By name.
  /// Every thread that the limits allow runs an activity that is not given up,
  /// and a queued activity could start.
  bool is_full = false;
  /// How long no run has begun or ended.
  std::chrono::steady_clock::duration idle{};
};

/// Names with more than this are added up under the name "other": the longest
/// lists of names are those of code that asks for ever new names.
inline constexpr std::size_t activity_names_max = 100;

/// A pool counts as blocked if it is full and no run has begun or ended for
/// this time.
inline constexpr std::chrono::seconds activity_stuck_time{5};

/// Sums up the facts by name, the oldest run first.
std::vector<activity_load> loads_of(const activity_facts& facts);

/// True if queued activities wait for code that does not return.
bool is_blocked(const activity_facts& facts);

/// The list for operators: an entry for each name with given-up runs and, if
/// the pool is blocked, for each name that occupies threads. Each is the
/// instance of the oldest run of the name and a sentence.
std::vector<std::pair<std::string, std::string>>
stuck_activities(const activity_facts& facts);

} // namespace perdura::actors
