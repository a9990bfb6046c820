// SPDX-License-Identifier: Apache-2.0
#include "actors/activities/activity_actor.hpp"

#include "actors/activities/activity_pool.hpp"
#include "persistence/process/thread_role.hpp"

namespace perdura::actors {

activity_actor::behavior_type activity_behavior(activity_actor::pointer self,
                                                activity_pool* pool,
                                                bool runs_inline) {
  // A detached actor has a thread of its own. This function runs on that thread
  // and names it.
  if (!runs_inline)
    persistence::enter_thread_role("activity");
  return {
    [=,
     worker_state = pool->add_worker(runs_inline)](activity_work_item& first) {
      pool->work(*worker_state, std::move(first), activity_actor(self));
    },
  };
}

} // namespace perdura::actors
