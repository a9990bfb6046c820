// SPDX-License-Identifier: Apache-2.0
/// The actor that runs the turns of one orchestration instance.
#pragma once

#include "actors/execution/orchestration_run.hpp"
#include "actors/interface/messages.hpp"

#include <memory>

namespace perdura::actors {

class turn_watch;
class work_guard;

/// The state of an instance actor.
struct instance_actor_state {
  static inline const char* name = "instance"; ///< Name in CAF's logs.
  std::unique_ptr<orchestration_run> run;
};

/// Makes the behavior of an instance actor. The actor sends the outcome of each
/// turn to `partition`. `watch` and `guard`, which may be null, must outlive
/// the actor.
instance_actor::behavior_type
instance_behavior(instance_actor::stateful_pointer<instance_actor_state> self,
                  partition_actor partition,
                  std::shared_ptr<const registry> functions, turn_watch* watch,
                  work_guard* guard);

} // namespace perdura::actors
