// SPDX-License-Identifier: Apache-2.0
#include "actors/execution/instance_actor.hpp"

#include "actors/execution/turn_watch.hpp"
#include "actors/execution/work_guard.hpp"
#include "actors/interface/actor_faults.hpp"
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

/// Runs a turn that counts as begun in `watch`.
void run_turn(instance_actor::stateful_pointer<instance_actor_state> self,
              const partition_actor& partition, turn_watch& watch,
              work_guard* guard, orchestration_work_item&& item) {
  turn_outcome outcome = [&] {
    const running_work note(guard, work_kind::turn, item.instance, {});
    return self->state.run->run_turn(std::move(item));
  }();
  watch.end();
  if (guard != nullptr)
    guard->end(work_kind::turn, outcome.instance, {});
  self->send(partition, std::move(outcome));
}

/// Returns the function that sends the turn to the actor again when it may run.
turn_watch::waiting_turn wait_for_thread(instance_actor self, turn_watch* watch,
                                         orchestration_work_item&& item) {
  auto turn = std::make_shared<admitted_turn::state>();
  turn->item = std::move(item);
  return [self = std::move(self), watch, turn = std::move(turn)]() mutable {
    turn->watch = watch;
    caf::anon_send(self, admitted_turn{std::move(turn)});
  };
}

} // namespace

void admitted_turn::state::give_back(turn_watch& watch) {
  watch.end();
}

instance_actor::behavior_type
instance_behavior(instance_actor::stateful_pointer<instance_actor_state> self,
                  partition_actor partition,
                  std::shared_ptr<const registry> functions, turn_watch* watch,
                  work_guard* guard) {
  guard_actor(self, "the actor of an instance");
  self->state.run = std::make_unique<orchestration_run>(std::move(functions),
                                                        log_of_orchestrator);
  return {
    [=](orchestration_work_item& item) {
      if (watch->begin([&] {
            return wait_for_thread(instance_actor(self), watch,
                                   std::move(item));
          }))
        run_turn(self, partition, *watch, guard, std::move(item));
    },
    [=](const admitted_turn& admitted) {
      admitted.turn->watch = nullptr;
      run_turn(self, partition, *watch, guard, std::move(admitted.turn->item));
    },
    [=](release_instance) { self->state.run->discard(); },
  };
}

} // namespace perdura::actors
