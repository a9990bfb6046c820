#include "actors/activity_actor.hpp"

#include "actors/activity_pool.hpp"

namespace perdura::actors {

activity_actor::behavior_type activity_behavior(activity_actor::pointer self,
                                                activity_pool* pool) {
  return {
    [=](activity_work_item& first) {
      // Works on while there is work; then the pool has it among the idle.
      std::optional<activity_work_item> item = std::move(first);
      while (item) {
        pool->run(std::move(*item));
        item = pool->next(activity_actor(self));
      }
    },
  };
}

} // namespace perdura::actors
