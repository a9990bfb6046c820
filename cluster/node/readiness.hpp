// SPDX-License-Identifier: Apache-2.0
/// Why a node does not serve, or serves only in part, as values: /readyz, the
/// report of the node and the command line show the same sentences.
#pragma once

#include <perdura/persistence/stores/storage_space.hpp>

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

  /// Why `is_admitted` is false: a sentence with the remedy.
  std::string why_not_admitted;

  /// Orchestrators that never await occupy all threads.
  bool has_no_thread = false;

  /// Activities that do not return occupy all their threads, and others wait.
  bool are_activities_blocked = false;

  /// If `storage.full` is not `none`, the journal refuses new work.
  persistence::storage_space storage;

  /// The partitions that are not served because stored rows are damaged, each
  /// with a sentence.
  std::vector<std::string> damaged_partitions;

  /// The partitions that refuse changes after an adoption of the directory; see
  /// `partition_set::agreeing_count`.
  std::size_t agreeing_partitions = 0;

  /// How long the oldest write to the disk has been in progress, and the time
  /// after which a write counts as stalled (limits.disk_stall_time).
  std::chrono::steady_clock::duration sync_time{};
  std::chrono::steady_clock::duration sync_time_max = std::chrono::seconds(5);
};

/// The reasons, the most important one first; empty if the node is ready.
std::vector<unready_reason> reasons_of(const readiness_facts& facts);

} // namespace perdura::cluster
