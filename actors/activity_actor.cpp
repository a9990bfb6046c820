#include "actors/activity_actor.hpp"

#include "actors/activity_pool.hpp"

namespace perdura::actors {

activity_actor::behavior_type activity_behavior(activity_actor::pointer self,
                                                activity_pool* pool) {
  return {
    [=, desk = pool->open_desk()](activity_work_item& first) {
      pool->work(*desk, std::move(first), activity_actor(self));
    },
  };
}

} // namespace perdura::actors
