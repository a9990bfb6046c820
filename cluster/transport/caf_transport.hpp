// SPDX-License-Identifier: Apache-2.0
/// The transport over CAF's network module (its "middleman"). Each process
/// publishes one actor, each pair of processes shares one connection, and TLS
/// is used if certificates are configured.
#pragma once

#include "cluster/placement/node_list.hpp"
#include "cluster/transport/transport.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace caf {
class actor_system;
class actor_system_config;
} // namespace caf

namespace perdura::cluster {

/// Adds CAF's network modules to the configuration of an actor system, with the
/// heartbeats and certificates of `cluster`. Called before the actor system is
/// constructed.
/// @error errc::invalid_argument  A certificate or key file cannot be read.
persistence::result<void> prepare_network(caf::actor_system_config& system,
                                          const cluster_config& cluster);

/// The addresses of one process.
struct caf_transport_config {
  /// The address on which this process accepts connections; empty means that
  /// it accepts none.
  std::optional<node_address> listen;

  /// The nodes to which this process connects. After each attempt that fails,
  /// and after each connection that ends, it tries again; the number of
  /// attempts is not limited.
  std::vector<listed_node> connect_to;

  bool tls = false; ///< Use mutual TLS on all connections.
};

/// Begins to listen and to connect. `system` must have been configured by
/// `prepare_network`, and must outlive the transport. The listener may be
/// called before the function returns.
/// @error errc::unavailable  The port cannot be bound.
persistence::result<std::unique_ptr<transport>>
open_caf_transport(caf::actor_system& system, caf_transport_config config,
                   transport_listener listener);

} // namespace perdura::cluster
