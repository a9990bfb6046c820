// SPDX-License-Identifier: Apache-2.0
/// Counters of the whole process, for events at places that belong to no node
/// and no partition. The metrics page shows them.
#pragma once

#include <atomic>
#include <cstdint>

namespace perdura::persistence {

/// All values only grow. Thread-safe.
struct process_counters {
  /// Exceptions that callbacks and hooks of the program have thrown.
  std::atomic<std::uint64_t> callback_failures{0};

  /// Threads that the system has refused to create.
  std::atomic<std::uint64_t> thread_failures{0};

  /// Times that the wall clock was set by at least 5 s.
  std::atomic<std::uint64_t> wall_clock_steps{0};

  /// Connections to the cluster port that were closed, because the peer sent
  /// something that no process of Perdura sends.
  std::atomic<std::uint64_t> refused_cluster_connections{0};
};

/// The counters of this process. Never destroyed.
inline process_counters& counters_of_process() {
  static process_counters counters;
  return counters;
}

} // namespace perdura::persistence
