/// CAF's worker threads over one queue that spares wake-ups (`run_queue`).
#pragma once

#include <cstddef>

namespace caf {
class actor_system_config;
} // namespace caf

namespace perdura::cluster {

/// Systems made with this configuration run their actors on so many threads,
/// of which as many work at once as there are cores; the others step in for
/// those that are blocked.
void use_sparing_scheduler(caf::actor_system_config& system,
                           std::size_t threads);

} // namespace perdura::cluster
