// SPDX-License-Identifier: Apache-2.0
/// A cluster of nodes with HTTP APIs, all in the test process: on loopback and
/// reserved ports, with directories that are removed at the end. Nodes can be
/// stopped and started again.
#pragma once

#include "client/api/node_host.hpp"
#include "client/examples/samples.hpp"
#include "tests/client/command_line_runner.hpp"
#include "tests/client/http_caller.hpp"
#include "tests/support/reserved_ports.hpp"
#include "tests/support/temp_directory.hpp"
#include <perdura/actors/authoring/registry.hpp>
#include <perdura/client/api/cluster_client.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace perdura::tests {

struct cluster_options {
  std::size_t nodes = 3;
  std::uint32_t partitions = 9;
  /// Registers functions on node `i` in addition to the samples.
  std::function<void(std::size_t i, actors::registry&)> add_functions;
  /// Changes the configuration of each node before its first start.
  std::function<void(client::node_host_config&)> change;
};

class cluster_fixture {
public:
  /// Starts all nodes; returns when every node reaches every other one.
  explicit cluster_fixture(cluster_options options = {});
  ~cluster_fixture();

  cluster_fixture(const cluster_fixture&) = delete;
  cluster_fixture& operator=(const cluster_fixture&) = delete;

  /// The name of node `i`: "node-1" has the index 0.
  static std::string name_of(std::size_t i) {
    return "node-" + std::to_string(i + 1);
  }

  client::node_host& host(std::size_t i) {
    return *hosts_.at(i);
  }

  const client::node_host_config& config_of(std::size_t i) const {
    return configs_.at(i);
  }

  void stop(std::size_t i);
  /// Starts a stopped node again, with the same ports and data.
  void start(std::size_t i);

  /// The node list: "NAME=HOST:PORT" for each node.
  const std::vector<std::string>& entries() const {
    return configs_.front().node.cluster.nodes;
  }

  /// The index of the node that owns the instance.
  std::size_t owner_of(const std::string& id) const;
  /// An instance ID that node `i` owns: "PREFIX-N" with the smallest N >=
  /// `from`.
  std::string id_on(std::size_t i, const std::string& prefix,
                    std::size_t from = 0) const;

  client::cluster_client_config client_config() const;
  /// Returns a client after it has reached all nodes.
  std::unique_ptr<client::cluster_client> connect(client::call_options calls
                                                  = {}) const;

  /// Runs the command line with the URL of node `i`.
  outcome perdura(std::size_t i, std::vector<std::string> arguments) const;

  /// Sends a request to node `i` on a new connection. `path` is the whole path.
  http_answer request_at_root(std::size_t i, std::string_view method,
                              const std::string& path,
                              std::string_view body = {}) {
    return http_caller(host(i).http_port()).request(method, path, body);
  }

  temp_directory directory{temp_directory::in_memory()};

private:
  cluster_options options_;
  /// First the ports of the cluster, then those of the HTTP APIs.
  reserved_ports ports_;
  std::vector<client::node_host_config> configs_;
  std::vector<std::unique_ptr<client::node_host>> hosts_;
};

} // namespace perdura::tests
