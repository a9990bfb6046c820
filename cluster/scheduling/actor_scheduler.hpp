// SPDX-License-Identifier: Apache-2.0
/// Configures CAF to run its worker threads over one shared queue that
/// coalesces wake-ups (`run_queue`).
#pragma once

#include <cstddef>

namespace caf {
class actor_system_config;
} // namespace caf

namespace perdura::cluster {

/// Replaces CAF's work-stealing scheduler in every actor system that is made
/// with this configuration. The system has `threads` worker threads (at least
/// 1). The number of threads that run jobs at once is at most the number of
/// cores. The other threads are spare: each runs in place of a thread that is
/// blocked.
///
/// Call it before the actor system is constructed.
void install_coalescing_scheduler(caf::actor_system_config& system,
                                  std::size_t threads);

} // namespace perdura::cluster
