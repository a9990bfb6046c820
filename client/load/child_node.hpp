// SPDX-License-Identifier: Apache-2.0
/// Starts nodes as child processes for benchmarks and tests. A node in its own
/// process can be killed, and its CPU time is separate from the CPU time of the
/// load generator.
#pragma once

#include "client/api/node_host.hpp"
#include "client/load/http_load.hpp"
#include <perdura/persistence/records/error.hpp>

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace perdura::client {

/// The anonymous memory of a process in MiB (RssAnon). Files that LMDB maps
/// into the process do not count. 0 if there is no such process.
/// @source proc(5), /proc/PID/status.
double anonymous_mib(pid_t pid);

/// One node with the sample functions in a child process. Not thread-safe.
class child_node {
public:
  /// Forks a node and returns when the node serves. Call `start` before this
  /// process has started any thread. Ctrl-C does not stop the node; the kernel
  /// kills the node when this process dies.
  /// @error errc::unavailable  The node does not serve; the message says why.
  static persistence::result<std::unique_ptr<child_node>>
  start(node_host_config config);

  /// Sends SIGTERM and waits until the node has ended. Does nothing to a node
  /// that `kill` has ended already.
  ~child_node();

  child_node(const child_node&) = delete;
  child_node& operator=(const child_node&) = delete;

  /// The port of the node's HTTP endpoint on 127.0.0.1.
  std::uint16_t port() const {
    return port_;
  }

  pid_t pid() const {
    return pid_;
  }

  /// User and system time of the node since it started, in steps of 10 ms.
  std::chrono::microseconds cpu_time() const;

  /// The anonymous memory of the node in MiB; 0 if it has ended.
  double anonymous_mib() const {
    return client::anonymous_mib(pid_);
  }

  /// Waits until the node is connected to the other nodes of its cluster.
  /// Returns false if that takes longer than about a minute or if the node has
  /// ended. Call it at most once.
  bool wait_until_joined();

  /// Sends SIGKILL and waits until the node has ended.
  void kill();

private:
  child_node(pid_t pid, std::uint16_t port, int reports)
    : pid_(pid), port_(port), reports_(reports) {}

  pid_t pid_; ///< -1 after kill().
  std::uint16_t port_;
  int reports_; ///< The read end of the pipe on which the node reports.
};

/// A cluster of child nodes on this machine that share one task hub.
class child_cluster {
public:
  /// Starts `count` nodes with data directories FOLDER/node-1, FOLDER/node-2, …
  /// and returns when all are connected. Call `start` before this process has
  /// started any thread. A single node opens a cluster port only if
  /// `as_cluster` is true.
  /// @error errc::unavailable  A node does not serve; the message says why.
  static persistence::result<std::unique_ptr<child_cluster>>
  start(std::size_t count, const std::filesystem::path& folder,
        bool as_cluster = false);

  const std::vector<std::unique_ptr<child_node>>& nodes() const {
    return nodes_;
  }

  /// The HTTP endpoints of all nodes.
  std::vector<load_endpoint> endpoints() const;

  /// The cluster addresses for cluster_client: "node-1=127.0.0.1:7171", ….
  const std::vector<std::string>& entries() const {
    return entries_;
  }

private:
  std::vector<std::unique_ptr<child_node>> nodes_;
  std::vector<std::string> entries_;
};

} // namespace perdura::client
