/// The shell around one activity at a time.
#pragma once

#include "actors/interface/messages.hpp"

namespace perdura::actors {

class activity_pool;

/// Either on a thread of its own, for activities that may block, or near: on
/// the scheduler's threads. `pool` outlives the actor.
activity_actor::behavior_type activity_behavior(activity_actor::pointer self,
                                                activity_pool* pool,
                                                bool is_near);

} // namespace perdura::actors
