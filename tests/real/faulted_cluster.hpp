// SPDX-License-Identifier: Apache-2.0
/// A cluster of processes under a workload, and the check of all invariants at
/// its end, for tests that disturb the nodes.
///
/// Checked invariants, by their numbers in tests/README.md:
///   I1, I2   through the HTTP API of every node, and on disk
///   I3       indirectly, by the results and by the sums of Counter
///   I4..I8   on the disk of each killed node, and at the end
///   I9       by listing all instances through every node at the end
///   I10      by comparing the counts with the number of starts
///   I11      except for open LMDB readers
/// I12 and I13 need access to the inside of a node; the simulations check them.
#pragma once

#include <perdura/client/api/cluster_client.hpp>

#include "real/cluster_harness.hpp"
#include "real/node_checker.hpp"
#include "real/sample_runs.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <random>
#include <vector>

namespace perdura::tests {

/// The number in an environment variable, or `otherwise` if it is not set.
std::size_t from_environment(const char* name, std::size_t otherwise);

/// A cluster of three nodes under a workload of all samples. All invariants are
/// checked at its end. The seed is the environment variable PERDURA_SEED.
class faulted_cluster {
public:
  /// Starts the nodes and the workload.
  /// @param prepare  Called with the cluster before its nodes start.
  explicit faulted_cluster(std::size_t orchestrations,
                           const std::function<void(local_cluster&)>& prepare
                           = {});

  /// Kills a node and checks its data directory before the node starts again.
  void kill(std::size_t victim);

  std::chrono::milliseconds any_time_below(std::chrono::milliseconds limit) {
    return std::chrono::milliseconds(random()
                                     % static_cast<unsigned>(limit.count()));
  }

  /// Waits until another node than `node` has marked it as down. Returns false
  /// if that does not happen.
  bool await_down(std::size_t node);

  /// Waits for the end of all runs and checks all invariants.
  /// @param others  The number of instances that the workload has not started.
  void expect_right_ends(std::size_t others = 0);

  local_cluster cluster;
  const unsigned seed;
  std::mt19937 random;
  // This process is not a node. `outside` connects it to the cluster, and
  // `service` is the client API of this connection.
  std::unique_ptr<client::cluster_client> outside;
  std::unique_ptr<client::orchestration_client> service;
  std::unique_ptr<sample_driver> driver;
  std::vector<node_checker> checkers;
  std::size_t kills = 0;
  std::size_t kills_during_work = 0;
  std::size_t work_interrupted = 0;

private:
  void expect_empty_outboxes();
  void expect_same_through_all_endpoints(std::size_t others);

  std::chrono::steady_clock::time_point began_at_;
};

} // namespace perdura::tests
