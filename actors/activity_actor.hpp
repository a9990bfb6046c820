/// The shell around one activity at a time, on a thread of its own.
#pragma once

#include "actors/messages.hpp"

namespace perdura::actors {

class activity_pool;

/// `pool` outlives the actor.
activity_actor::behavior_type activity_behavior(activity_actor::pointer self,
                                                activity_pool* pool);

/// On the scheduler's threads, for what does not block.
activity_actor::behavior_type
near_activity_behavior(activity_actor::pointer self, activity_pool* pool);

} // namespace perdura::actors
