// SPDX-License-Identifier: Apache-2.0
/// The settings by which a node or a client finds the nodes of its cluster.
#pragma once

#include <perdura/persistence/records/ids.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace perdura::cluster {

/// How the nodes of a cluster find and authenticate each other. The defaults
/// describe a node without a cluster.
struct cluster_config {
  /// This node's name, one of the names in `nodes`, e.g. "node-1": 1 to 64
  /// characters of a-z, 0-9, - and _. Default: empty, a node without a cluster.
  /// Fixed when the hub is created.
  std::string node;

  /// All nodes of the hub, including this one, each as "NAME=HOST:PORT", e.g.
  /// "node-1=127.0.0.1:7171". Default: empty. The names of nodes that own
  /// partitions are fixed when the hub is created; addresses may change.
  std::vector<std::string> nodes;

  /// The address on which this node listens for other nodes and clients, as
  /// "ADDRESS:PORT" with a numeric address. Default: empty, the address of this
  /// node's entry in `nodes`. Without TLS it must be a loopback address.
  std::string listen;

  /// PEM file with this node's certificate and its chain. The certificate is
  /// used for connections in both directions. Default: empty.
  ///
  /// Set all three files for mutual TLS, or none. Without TLS peers are not
  /// authenticated.
  std::filesystem::path certificate_file;

  /// PEM file with the private key of that certificate. Default: empty.
  std::filesystem::path key_file;

  /// PEM file with the certificate authority whose certificates are trusted.
  /// Default: empty.
  std::filesystem::path ca_file;

  /// The time between two heartbeats to each other node. Default: 200 ms; at
  /// least 1 ms. A shorter time detects failures sooner and costs more CPU
  /// time.
  persistence::duration heartbeat_interval = std::chrono::milliseconds(200);

  /// A node from which nothing has been received for longer than this counts as
  /// down: requests to it fail until it is connected again. Default: 1 s; at
  /// least twice `heartbeat_interval`.
  persistence::duration silence_max = std::chrono::seconds(1);

  /// A request to another node that is not answered within this time fails with
  /// errc::unknown_outcome if it would change an instance, and with
  /// errc::unavailable if it only reads. This limit does not apply to waits for
  /// the end of an instance. Default: 30 s; at least 1 ms.
  persistence::duration request_time_max = std::chrono::seconds(30);

  /// True for a node without a cluster.
  bool is_alone() const {
    return node.empty();
  }

  /// True if mutual TLS is configured. A node that has only one or two of the
  /// three files does not start (see `listen_address_of`).
  bool has_tls() const {
    return !certificate_file.empty();
  }
};

} // namespace perdura::cluster
