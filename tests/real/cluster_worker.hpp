/// A node of a cluster, with its HTTP door, as a process of its own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace perdura::tests {

struct cluster_worker_options {
  std::string node;
  /// The node's; the witness (DIR.witness) and the log (DIR.log) lie beside it.
  std::filesystem::path data_dir;
  std::string hub_id;
  std::uint32_t partition_count = 12;
  std::vector<std::string> nodes; ///< Each "NAME=HOST:PORT".
  std::string listen;             ///< As in cluster_config.
  std::uint16_t http_port = 0;    ///< On loopback; 0: a free one.
  /// Holds NODE.pem, NODE-key.pem and ca.pem; empty: no TLS.
  std::filesystem::path certificates;
};

/// What `run_cluster_worker` is called with behind "--cluster-worker".
std::vector<std::string> to_words(const cluster_worker_options& options);

/// Serves the samples until SIGINT, appending a line
/// `instance/execution/sequence#attempt` to the witness for each activity that
/// it runs. Says one of
///   ready URL · refused CODE SENTENCE · must-stop CODE SENTENCE
/// and ends with 0, 1 and 3.
int run_cluster_worker(const std::vector<std::string>& words);

std::filesystem::path witness_of(const std::filesystem::path& data_dir);
std::filesystem::path log_of(const std::filesystem::path& data_dir);

} // namespace perdura::tests
