// SPDX-License-Identifier: Apache-2.0
/// Why a node does not serve, or serves only in part, as values: /readyz, the
/// report of the node and the command line show the same sentences.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace perdura::cluster {

/// One reason why a node is not ready.
struct unready_reason {
  std::string code;    ///< For programs, e.g. "disk_full".
  std::string message; ///< A sentence with the remedy.

  bool operator==(const unready_reason&) const = default;
};

/// The facts that decide whether a node is ready.
struct readiness_facts {
  bool is_serving = false;  ///< Between the end of `begin` and `stop`.
  bool is_stopping = false; ///< `stop` was called.
  bool is_admitted = true;  ///< See `node::wait_until_admitted`.

  /// Orchestrators that never await occupy all threads.
  bool has_no_thread = false;
  bool is_disk_full = false; ///< The journal refuses new work.

  /// How long the oldest write to the disk has been in progress.
  std::chrono::steady_clock::duration sync_time{};
};

/// A write that takes longer than this counts as stalled.
inline constexpr std::chrono::seconds sync_time_max{5};

/// The reasons, the most important one first; empty if the node is ready.
std::vector<unready_reason> reasons_of(const readiness_facts& facts);

} // namespace perdura::cluster
