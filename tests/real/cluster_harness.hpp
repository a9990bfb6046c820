// SPDX-License-Identifier: Apache-2.0
/// A cluster of real node processes that a test can kill, freeze and restart.
#pragma once

#include "client/http/http_client.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/patience.hpp"
#include "tests/support/reserved_ports.hpp"
#include "tests/support/temp_directory.hpp"

#include "real/cluster_worker.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace perdura::tests {

inline constexpr std::chrono::seconds cluster_wait_max = patience;

/// The address of a node's HTTP API.
struct http_endpoint {
  http_endpoint(std::string base_url, std::string network_namespace = {})
    : url(std::move(base_url)), netns(std::move(network_namespace)) {}

  std::string url;
  /// The network namespace in which `url` is reachable. Empty means the
  /// namespace of this process.
  std::string netns;
};

/// Moves the calling thread into a network namespace for the lifetime of the
/// object: sockets that the thread opens during this time belong to that
/// namespace.
class in_namespace {
public:
  /// An empty name leaves the thread in its present namespace.
  /// @throws std::system_error  The namespace cannot be entered.
  explicit in_namespace(const std::string& name);
  ~in_namespace();

  in_namespace(const in_namespace&) = delete;
  in_namespace& operator=(const in_namespace&) = delete;

private:
  int previous_ = -1; ///< Descriptor of the namespace to return to.
};

/// One node: a directory that stays and a process that can be started, killed
/// and started again.
///
/// Start processes from the main thread only: the kernel kills a child process
/// when the thread that has started it ends (PR_SET_PDEATHSIG).
class cluster_node {
public:
  /// The node runs in the network namespace `netns`. An empty name means the
  /// namespace of this process.
  explicit cluster_node(cluster_worker_options options, std::string netns = {});

  cluster_node(const cluster_node&) = delete;
  cluster_node& operator=(const cluster_node&) = delete;

  /// Starts the process without waiting for it.
  void spawn();
  /// The next line of the process's output. Empty if none is written in time,
  /// or if the process has ended.
  std::string next_line(std::chrono::milliseconds time_out = cluster_wait_max);
  /// Starts the process and returns when the node serves requests.
  /// @throws std::runtime_error  The node does not serve; the message holds
  ///                             its log.
  void start();
  /// Waits until a spawned node serves requests.
  /// @throws std::runtime_error  The node does not serve.
  void expect_ready();

  /// Sends SIGKILL and waits for the end of the process.
  void kill();
  /// Sends SIGSTOP and returns when the process has stopped running.
  void pause();
  /// Sends SIGCONT.
  void resume();
  /// Sends SIGINT, waits for the end and returns the exit code.
  int stop();
  /// Waits for the end and returns the exit code.
  int wait();

  const cluster_worker_options& options() const {
    return options_;
  }

  const std::string& name() const {
    return options_.node;
  }

  /// The process, which must have been started.
  pid_t pid() const {
    return process_->pid();
  }

  http_endpoint endpoint() const {
    return {"http://127.0.0.1:" + std::to_string(options_.http_port), netns_};
  }

  /// The text of the node's log file.
  std::string log() const;

  /// The options for the next start; changing them does not affect a running
  /// process.
  cluster_worker_options& next_options() {
    return options_;
  }

private:
  cluster_worker_options options_;
  std::string netns_;
  std::unique_ptr<child_process> process_;
};

/// Returns when every node is connected to all others.
/// @throws std::runtime_error  A node stays disconnected; the message holds
///                             its log.
void wait_until_connected(const std::vector<cluster_node*>& nodes);

/// Three nodes of one new hub on loopback: "node-1", "node-2" and "node-3".
class local_cluster {
public:
  local_cluster();

  /// Starts all nodes; returns when they serve and are connected.
  void start();

  void wait_until_connected() const {
    tests::wait_until_connected(nodes());
  }

  cluster_node& node(std::size_t i) {
    return *nodes_.at(i);
  }

  std::vector<cluster_node*> nodes() const;

  std::size_t size() const {
    return nodes_.size();
  }

  /// The cluster's node list: "NAME=HOST:PORT" for each node.
  const std::vector<std::string>& entries() const {
    return entries_;
  }

  const std::filesystem::path& directory() const {
    return home_.path();
  }

  std::vector<http_endpoint> endpoints() const;

  /// An instance ID that begins with `prefix` and is owned by node `node`.
  std::string id_on(std::size_t node, const std::string& prefix) const;
  /// The partitions of node `node`, in the format of the response header
  /// x-perdura-missing-partitions: numbers with commas between them.
  std::string partitions_of(std::size_t node) const;
  /// The index of the node that owns the instance.
  std::size_t owner_of(const std::string& id) const;

private:
  // Declared before nodes_, so that the directory is removed after the nodes
  // have ended.
  temp_directory home_;
  reserved_ports ports_{6}; ///< Three of the cluster, three of the HTTP APIs.
  std::vector<std::string> entries_;
  std::vector<std::unique_ptr<cluster_node>> nodes_;
};

/// A request to a node's HTTP API.
struct endpoint_request {
  std::string method = "GET";
  /// The path below /runtime/webhooks/durabletask. For the routes of the node
  /// itself (/perdura/..., /readyz and /metrics) it is the whole path.
  std::string target;
  std::string body = {};         ///< JSON; empty means no body.
  std::string key = {};          ///< The Idempotency-Key header.
  std::string continuation = {}; ///< The x-ms-continuation-token header.
  std::chrono::milliseconds time_out = cluster_wait_max;
};

/// Sends one request. The result is empty if no complete response was read
/// before the time-out.
std::optional<client::http_reply> send_request(const http_endpoint& endpoint,
                                               const endpoint_request& request);

/// Repeats a request every few milliseconds until `wanted` accepts the reply.
/// @return false if no such reply arrives within `time_out`.
bool request_until(const http_endpoint& endpoint,
                   const endpoint_request& request,
                   const std::function<bool(const client::http_reply&)>& wanted,
                   std::chrono::milliseconds time_out = cluster_wait_max);

} // namespace perdura::tests
