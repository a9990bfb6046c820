// SPDX-License-Identifier: Apache-2.0
/// CAF's network module (its "middleman") with three changes: it corrects the
/// faults of CAF 0.17.6 that middleman.cpp describes, it checks what arrives
/// before CAF decodes it (`port_rules`), and it has a time-out for data that
/// the other side does not read.
#pragma once

#include "cluster/transport/peer_certificate.hpp"

#include <optional>

namespace caf {
class actor_system;
class actor_system_config;
class node_id;
} // namespace caf

namespace perdura::cluster {

/// Adds the corrected module to the configuration; replaces
/// `load<caf::io::middleman>()`. Called before the actor system is constructed.
void load_middleman(caf::actor_system_config& system);

/// The certificate of a process that is connected to this one by TLS. No value
/// if it is not connected any more. `load_middleman` was called for the
/// configuration of `system`. Thread-safe.
std::optional<peer_certificate>
certificate_of_process(caf::actor_system& system, const caf::node_id& process);

/// Sets TCP_USER_TIMEOUT of a socket to `middleman.connection-timeout`: the
/// kernel closes the connection if data that was sent stays unacknowledged for
/// longer. Without this limit a process that shuts down would wait for a frozen
/// peer to read the data that is still buffered for it. A failure is ignored.
/// @source tcp(7), TCP_USER_TIMEOUT
void set_tcp_user_timeout(const caf::actor_system& system, int socket);

} // namespace perdura::cluster
