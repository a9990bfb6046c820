/// CAF's middleman, with what its broker forgets mended.
#pragma once

namespace caf {
class actor_system;
class actor_system_config;
} // namespace caf

namespace perdura::cluster {

/// In place of `load<caf::io::middleman>()`.
void load_middleman(caf::actor_system_config& system);

/// Lets the kernel end a connection whose other side takes nothing for the
/// configured silence: else a process that ends would wait for one that is
/// frozen to read what it is still owed.
/// @source tcp(7), TCP_USER_TIMEOUT
void limit_silence(const caf::actor_system& system, int socket);

} // namespace perdura::cluster
