/// The shell around one live orchestration instance.
#pragma once

#include "actors/execution/orchestration_run.hpp"
#include "actors/interface/messages.hpp"

#include <memory>

namespace perdura::actors {

class turn_watch;

struct instance_actor_state {
  static inline const char* name = "instance";
  std::unique_ptr<orchestration_run> run;
};

instance_actor::behavior_type
instance_behavior(instance_actor::stateful_pointer<instance_actor_state> self,
                  partition_actor partition,
                  std::shared_ptr<const registry> functions, turn_watch* watch);

} // namespace perdura::actors
