// SPDX-License-Identifier: Apache-2.0
/// The search for the instances that a new rule concerns: the members of a
/// terminated tree, and the instances of an orchestrator that runs again.
/// Instances in memory are handled when the rule is stored. The others are
/// found by reading pages of the partition's unfinished instances, one page a
/// batch, so that the partition goes on serving.
#pragma once

#include "persistence/records/partition_rules.hpp"
#include "persistence/records/time_scales.hpp"

#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace perdura::actors {

/// Instances on one page of a search.
inline constexpr std::size_t rule_search_page_rows = 100;

/// Time between two pages of a search.
inline constexpr persistence::duration rule_search_interval
  = std::chrono::milliseconds(1);

/// Time until a search continues that waits: for messages that other
/// partitions have not acknowledged, for a page that cannot be read, or because
/// `released_instances_max` is reached.
inline constexpr persistence::duration rule_search_retry_interval
  = std::chrono::milliseconds(100);

/// Instances that an orchestrator that runs again brings into memory beyond
/// `idle_instances_max`. The search waits while there are more.
inline constexpr std::size_t released_instances_max = 1'024;

/// Not thread-safe: the partition_processor owns it.
struct rule_search {
  /// Rules that were stored and whose instances in memory are not handled yet.
  std::vector<persistence::tree_top> new_trees;
  std::vector<std::string> new_names; ///< Orchestrators that run again.

  /// Trees for the next search. One search serves all trees that wait when it
  /// begins.
  std::vector<persistence::tree_top> waiting;
  std::vector<persistence::tree_top> searched; ///< Trees of this search.
  std::string tree_token; ///< Where it continues; empty at the begin.
  /// Trees whose members here are ended, while messages may be on their way
  /// that start or rewind a member elsewhere.
  std::vector<persistence::tree_top> draining;

  std::deque<std::string> names; ///< Searched one after the other.
  std::string name_token;        ///< Where the search of the first continues.

  /// When the search continues; empty if there is nothing to do.
  std::optional<persistence::elapsed_time> next_at;

  bool has_new() const {
    return !new_trees.empty() || !new_names.empty();
  }
};

} // namespace perdura::actors
