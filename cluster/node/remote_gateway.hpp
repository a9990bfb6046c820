// SPDX-License-Identifier: Apache-2.0
/// The gateway of a process that is not a node of the cluster (a client). It
/// keeps a connection to each node and sends each request to the owner of its
/// instance.
#pragma once

#include <perdura/cluster/node/node_config.hpp>
#include <perdura/cluster/transport/node_report.hpp>
#include <perdura/persistence/records/error.hpp>

#include <memory>
#include <string>
#include <vector>

namespace perdura::actors {
class management_gateway;
} // namespace perdura::actors

namespace perdura::cluster {

/// The connections of a client process to the nodes. Owns an actor system and
/// its threads. Thread-safe.
///
/// An exception of Perdura's own code on one of these threads never ends the
/// process: the gateway then answers every request with errc::internal, and a
/// new one can be opened.
class remote_gateway {
public:
  /// Begins to connect to the nodes of `cluster.nodes`, and returns without
  /// waiting for a connection; see `wait_until_reachable`. `cluster.node` and
  /// `cluster.listen` are ignored. `cluster.certificate_file` holds the
  /// certificate of the client.
  /// @error errc::invalid_argument  The node list is empty or not valid, or a
  ///                                certificate file cannot be read.
  static persistence::result<std::unique_ptr<remote_gateway>>
  open(const cluster_config& cluster);

  /// Calls `close`.
  ~remote_gateway();

  remote_gateway(const remote_gateway&) = delete;
  remote_gateway& operator=(const remote_gateway&) = delete;

  /// The gateway to all instances of the cluster. It may outlive this object;
  /// it then answers errc::shutting_down.
  std::shared_ptr<actors::management_gateway> gateway() const;

  /// Blocks until one node is connected or, if `all` is set, until every node
  /// that owns partitions is connected.
  /// @error errc::unavailable  The wait took longer than `time_out`; the
  ///                           message names the missing nodes and the reasons.
  persistence::result<void> wait_until_reachable(persistence::duration time_out,
                                                 bool all = false) const;

  /// The report of each node that owns partitions. Blocks until all have
  /// answered, at most actors::query_time_max.
  std::vector<reported_node> reports() const;

  /// Closes all connections. Pending and later requests are answered with
  /// errc::shutting_down. Idempotent.
  void close();

private:
  remote_gateway();
  class impl;
  std::unique_ptr<impl> impl_;
};

} // namespace perdura::cluster
