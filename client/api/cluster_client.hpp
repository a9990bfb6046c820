// SPDX-License-Identifier: Apache-2.0
/// Gives the whole client API to a service that is not itself a node of the
/// cluster. Such a service links `perdura::client` alone.
#pragma once

#include <perdura/client/api/orchestration_client.hpp>
#include <perdura/cluster/node/remote_gateway.hpp>
#include <perdura/persistence/records/time_arithmetic.hpp>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace perdura::client {

/// The settings of a `cluster_client`.
struct cluster_client_config {
  /// All nodes of the cluster, each "NAME=HOST:PORT" as in the setting
  /// cluster.nodes of the nodes. PORT is the cluster port (7171 in the
  /// examples), not the HTTP port.
  std::vector<std::string> nodes;

  /// PEM files for mutual TLS with the nodes: this service's certificate, its
  /// private key, and the certificate authority. Set all three if the nodes
  /// use TLS, else none. `perdura tls init` creates client.pem,
  /// client-key.pem and ca.pem.
  std::filesystem::path certificate_file;
  std::filesystem::path key_file;
  std::filesystem::path ca_file;

  /// Default options of the clients that `client` returns.
  call_options calls;
};

/// Holds one connection to each node and reconnects as nodes fail and return.
///
/// Thread-safe. One object serves all threads of a process.
///
/// A failure of Perdura's own code never ends the process of a client. Every
/// call then returns errc::internal; close the object and connect again.
class cluster_client {
public:
  /// Connects, and blocks until the first node accepts requests or `time_out`
  /// has elapsed.
  /// @error errc::unavailable       No node accepted requests in time.
  /// @error errc::invalid_argument  The node list or a certificate is not
  ///                                valid.
  static result<std::unique_ptr<cluster_client>>
  connect(const cluster_client_config& config,
          persistence::wait_time time_out = std::chrono::seconds(10));

  /// A client for the instances of the cluster. It may be copied and kept
  /// after `close`, but then its calls return errc::shutting_down.
  orchestration_client client() const;

  /// Blocks until every node that owns partitions accepts requests.
  /// @error errc::unavailable  A node did not accept requests within
  ///                           `time_out`; the sentence names these nodes.
  result<void> wait_for_all_nodes(persistence::wait_time time_out) const;

  /// Requests a report from every node and blocks until all have answered or
  /// failed. The entry of a node that cannot be reached has no report; its
  /// member `why` holds the reason.
  std::vector<cluster::reported_node> nodes() const;

  /// Closes the connections. Calls in progress and later calls return
  /// errc::shutting_down. Idempotent.
  void close();

private:
  cluster_client() = default;

  std::unique_ptr<cluster::remote_gateway> gateway_; ///< Never null.
  call_options calls_;
};

} // namespace perdura::client
