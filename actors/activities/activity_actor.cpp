#include "actors/activities/activity_actor.hpp"

#include "actors/activities/activity_pool.hpp"
#include "persistence/process/thread_role.hpp"

namespace perdura::actors {

activity_actor::behavior_type activity_behavior(activity_actor::pointer self,
                                                activity_pool* pool,
                                                bool is_near) {
  if (!is_near)
    persistence::enter_thread_role("activity");
  return {
    [=, desk = pool->open_desk(is_near)](activity_work_item& first) {
      pool->work(*desk, std::move(first), activity_actor(self));
    },
  };
}

} // namespace perdura::actors
