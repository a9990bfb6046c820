/// The transport over CAF's middleman: one published actor a process, one
/// connection a pair, TLS where certificates are configured.
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

/// Before the system is made: loads CAF's network modules with heartbeats and
/// certificates.
/// @error errc::invalid_argument  A certificate or key that cannot be read.
persistence::result<void> prepare_network(caf::actor_system_config& system,
                                          const cluster_config& cluster);

struct caf_transport_config {
  /// Where others may come; empty: nobody dials this process.
  std::optional<node_address> listen;
  /// Dialled for ever, each again when its connection ends.
  std::vector<listed_node> dial;
  bool tls = false;
};

/// Listens, then dials.
/// @error errc::unavailable  The port cannot be had.
persistence::result<std::unique_ptr<transport>>
open_caf_transport(caf::actor_system& system, caf_transport_config config,
                   transport_listener listener);

} // namespace perdura::cluster
