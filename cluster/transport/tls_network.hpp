/// CAF's middleman with TLS, as caf::openssl has it, but that one stranger's
/// handshake that fails ends nobody else's connection.
#pragma once

#include <caf/io/middleman_actor.hpp>

namespace caf {
class actor_system;
} // namespace caf

namespace perdura::cluster {

/// With the certificates of the system's configuration. Whoever spawns it ends
/// it.
caf::io::middleman_actor spawn_tls_network(caf::actor_system& system);

} // namespace perdura::cluster
