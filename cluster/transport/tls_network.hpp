// SPDX-License-Identifier: Apache-2.0
/// TLS connections for CAF's network module. Replaces the manager of
/// caf::openssl: a failed handshake of an unauthenticated peer closes no other
/// connection, and a silent peer costs no CPU time.
#pragma once

#include <caf/io/middleman_actor.hpp>

namespace caf {
class actor_system;
} // namespace caf

namespace perdura::cluster {

/// Spawns the actor that connects and listens with the certificates of the
/// system's configuration. The caller must end the actor (`exit_reason::kill`).
caf::io::middleman_actor spawn_tls_network(caf::actor_system& system);

} // namespace perdura::cluster
