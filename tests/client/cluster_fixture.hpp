/// A cluster of whole nodes with HTTP doors, all in this process: loopback,
/// free ports, directories that go with it. Nodes stop and come back.
#pragma once

#include "client/api/node_host.hpp"
#include "client/examples/samples.hpp"
#include "tests/client/command_line_runner.hpp"
#include "tests/client/http_caller.hpp"
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
  /// Beside the samples, on node `i`.
  std::function<void(std::size_t i, actors::registry&)> add_functions;
  std::function<void(client::node_host_config&)> change;
};

class cluster_fixture {
public:
  /// Starts them all; returns when each reaches each.
  explicit cluster_fixture(cluster_options options = {});
  ~cluster_fixture();

  cluster_fixture(const cluster_fixture&) = delete;
  cluster_fixture& operator=(const cluster_fixture&) = delete;

  /// "node-1" is the one at 0.
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
  /// On the same ports and the same data.
  void start(std::size_t i);

  /// "NAME=HOST:PORT" of each.
  const std::vector<std::string>& entries() const {
    return configs_.front().node.cluster.nodes;
  }

  /// The index of the instance's owner.
  std::size_t owner_of(const std::string& id) const;
  /// An ID of node `i`: "PREFIX-N" with the least N from `from` on.
  std::string id_on(std::size_t i, const std::string& prefix,
                    std::size_t from = 0) const;

  client::cluster_client_config client_config() const;
  /// When all nodes can be asked.
  std::unique_ptr<client::cluster_client> connect(client::call_options calls
                                                  = {}) const;

  /// The command line, with node `i`'s URL.
  outcome perdura(std::size_t i, std::vector<std::string> words) const;

  http_answer ask_site(std::size_t i, std::string_view method,
                       const std::string& path, std::string_view body = {}) {
    return http_caller(host(i).http_port()).ask(method, path, body);
  }

  temp_directory directory{temp_directory::in_memory()};

private:
  cluster_options options_;
  std::vector<client::node_host_config> configs_;
  std::vector<std::unique_ptr<client::node_host>> hosts_;
};

} // namespace perdura::tests
