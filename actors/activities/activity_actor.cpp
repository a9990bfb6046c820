// SPDX-License-Identifier: Apache-2.0
#include "actors/activities/activity_actor.hpp"

#include "actors/activities/activity_pool.hpp"
#include "actors/interface/actor_faults.hpp"
#include "persistence/process/thread_role.hpp"

#include <memory>
#include <utility>

namespace perdura::actors {

activity_actor::behavior_type activity_behavior(activity_actor::pointer self,
                                                activity_pool* pool,
                                                bool runs_inline) {
  guard_actor(self, "an activity worker");
  // A detached actor has a thread of its own. This function runs on that thread
  // and names it.
  if (!runs_inline)
    persistence::enter_thread_role("activity");
  // The pool exists while a worker has an item, but an actor without one may
  // begin only after the pool has been destroyed.
  return {
    [=, worker_state = std::shared_ptr<activity_pool::worker_state>()](
      activity_work_item& first) mutable {
      if (!worker_state)
        worker_state = pool->add_worker(runs_inline);
      pool->work(*worker_state, std::move(first), activity_actor(self));
    },
  };
}

} // namespace perdura::actors
