/// CAF's middleman, with what its broker forgets mended.
#pragma once

namespace caf {
class actor_system_config;
} // namespace caf

namespace perdura::cluster {

/// In place of `load<caf::io::middleman>()`.
void load_middleman(caf::actor_system_config& system);

} // namespace perdura::cluster
