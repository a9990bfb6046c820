// SPDX-License-Identifier: Apache-2.0
/// The actor that runs activities for the pool, one at a time.
#pragma once

#include "actors/interface/messages.hpp"

namespace perdura::actors {

class activity_pool;

/// Makes the behavior of a worker. With `runs_inline` the actor runs on the
/// threads of the CAF scheduler; otherwise it must be spawned detached, with a
/// thread of its own. `pool` must outlive the actor.
activity_actor::behavior_type activity_behavior(activity_actor::pointer self,
                                                activity_pool* pool,
                                                bool runs_inline);

} // namespace perdura::actors
