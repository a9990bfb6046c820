// SPDX-License-Identifier: Apache-2.0
#include "actors/execution/instance_actor.hpp"

#include "actors/execution/turn_watch.hpp"
#include "persistence/process/logging.hpp"

namespace perdura::actors {

using namespace persistence;

namespace {

/// Writes a line of an orchestrator to the node's log, with the instance's ID.
void log_of_orchestrator(const instance_id& id, persistence::log_level level,
                         const std::string& text) {
  if (is_logged(log_channel::actors, level))
    log(log_channel::actors, level, "\"" + id + "\": " + text);
}

} // namespace

instance_actor::behavior_type
instance_behavior(instance_actor::stateful_pointer<instance_actor_state> self,
                  partition_actor partition,
                  std::shared_ptr<const registry> functions,
                  turn_watch* watch) {
  self->state.run = std::make_unique<orchestration_run>(std::move(functions),
                                                        log_of_orchestrator);
  return {
    [=](orchestration_work_item& item) {
      watch->begin(item.now);
      turn_outcome outcome = self->state.run->run_turn(std::move(item));
      watch->end();
      self->send(partition, std::move(outcome));
    },
    [=](release_instance) { self->state.run->discard(); },
  };
}

} // namespace perdura::actors
