#include "actors/execution/instance_actor.hpp"

#include "actors/execution/turn_watch.hpp"
#include "persistence/process/logging.hpp"

namespace perdura::actors {

namespace {

void log_of_orchestrator(const instance_id& id, int level,
                         const std::string& text) {
  const auto severity = level >= 4   ? log_level::error
                        : level == 3 ? log_level::warning
                                     : log_level::info;
  if (logs(log_room::actors, severity))
    log(log_room::actors, severity, "\"" + id + "\": " + text);
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
    [=](let_go) { self->state.run->forget(); },
  };
}

} // namespace perdura::actors
