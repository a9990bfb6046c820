/// The client gateway for a service that is no node of the cluster: link
/// `perdura::client`, name the nodes, and have the whole client API.
#pragma once

#include <perdura/client/api/orchestration_client.hpp>
#include <perdura/cluster/routing/remote_gateway.hpp>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace perdura::client {

struct cluster_client_config {
  /// All nodes, each "NAME=HOST:PORT", as in the nodes' own configuration;
  /// the port is the cluster's, not HTTP's.
  std::vector<std::string> nodes;

  /// PEM; all three or none, as on the nodes (`perdura tls init` also makes
  /// client.pem and client-key.pem).
  std::filesystem::path certificate_file;
  std::filesystem::path key_file;
  std::filesystem::path ca_file;

  call_options calls;
};

/// Holds one connection to each node, for all threads of the process.
class cluster_client {
public:
  /// Waits until a first node can be asked, at most so long.
  /// @error errc::unavailable       No node within that time.
  /// @error errc::invalid_argument  A node list or certificates that cannot be.
  static result<std::unique_ptr<cluster_client>>
  connect(const cluster_client_config& config,
          std::chrono::milliseconds time_out = std::chrono::seconds(10));

  /// Good until `close`, and safe to keep: afterwards its calls answer
  /// errc::shutting_down.
  orchestration_client client() const;

  /// Returns when every node that owns partitions can be asked.
  /// @error errc::unavailable  Not within the time; names those missing.
  result<void> wait_for_all_nodes(std::chrono::milliseconds time_out) const;

  /// What each node says of itself; of one that is away, why. Blocks.
  std::vector<cluster::reported_node> nodes() const;

  void close();

private:
  cluster_client() = default;

  std::unique_ptr<cluster::remote_gateway> gateway_;
  call_options calls_;
};

} // namespace perdura::client
