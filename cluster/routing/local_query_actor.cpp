// SPDX-License-Identifier: Apache-2.0
#include "cluster/routing/local_query_actor.hpp"

#include "actors/interface/actor_faults.hpp"

namespace perdura::cluster {

local_query_actor::behavior_type
local_query_behavior(local_query_actor::pointer self, local_query_runner run) {
  actors::guard_actor(self, "the actor of queries");
  // The ticket tells the router to which query the result belongs.
  return {
    [self, run = std::move(run)](const local_query_request& x) {
      self->send(
        x.from,
        local_query_result{
          x.ticket, std::make_shared<persistence::result<node_query_answer>>(
                      run(x.query))});
    },
  };
}

} // namespace perdura::cluster
