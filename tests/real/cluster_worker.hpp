// SPDX-License-Identifier: Apache-2.0
/// A cluster node with its HTTP API that runs in a process of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace perdura::tests {

struct cluster_worker_options {
  std::string node; ///< The node's name.
  /// The node's data directory DIR. The files DIR.witness and DIR.log are
  /// written beside it.
  std::filesystem::path data_dir;
  std::string hub_id;
  std::uint32_t partition_count = 12;
  std::vector<std::string> nodes; ///< Each "NAME=HOST:PORT".
  std::string listen;             ///< The same as `listen` in cluster_config.
  std::uint16_t http_port = 0;    ///< On loopback; 0 means any free port.
  /// A directory with NODE.pem, NODE-key.pem and ca.pem. Empty means no TLS.
  std::filesystem::path certificates;
  /// How long ended instances are kept; 0 means the default of a node.
  std::chrono::seconds retention{0};
};

/// The command line arguments of `run_cluster_worker`, without the flag
/// "--cluster-worker".
std::vector<std::string> to_arguments(const cluster_worker_options& options);

/// The main function of the node process: serves the samples until SIGINT.
///
/// Each run of an activity appends a line `instance/execution/sequence#attempt`
/// to the witness file. Standard output gets one of these lines, or
/// "ready" and later "must-stop":
///   ready URL                the node serves; SIGINT ends it with code 0
///   refused CODE SENTENCE    the node did not start; exit code 1
///   must-stop CODE SENTENCE  another node refused this one; exit code 3
int run_cluster_worker(const std::vector<std::string>& arguments);

/// The file that lists the activity runs of the node.
std::filesystem::path witness_of(const std::filesystem::path& data_dir);
/// The file that receives the node's standard error.
std::filesystem::path log_of(const std::filesystem::path& data_dir);

} // namespace perdura::tests
