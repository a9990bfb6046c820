#include "actors/activity_actor.hpp"

#include "actors/activity_pool.hpp"
#include "persistence/thread_role.hpp"

namespace perdura::actors {

activity_actor::behavior_type activity_behavior(activity_actor::pointer self,
                                                activity_pool* pool) {
  persistence::enter_thread_role("activity");
  return {
    [=, desk = pool->open_desk(false)](activity_work_item& first) {
      pool->work(*desk, std::move(first), activity_actor(self));
    },
  };
}

activity_actor::behavior_type
near_activity_behavior(activity_actor::pointer self, activity_pool* pool) {
  return {
    [=, desk = pool->open_desk(true)](activity_work_item& first) {
      pool->work(*desk, std::move(first), activity_actor(self));
    },
  };
}

} // namespace perdura::actors
