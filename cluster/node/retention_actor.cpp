// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/retention_actor.hpp"

#include "actors/interface/actor_faults.hpp"
#include "persistence/process/logging.hpp"

#include <utility>

namespace perdura::cluster {

namespace {

/// If the search has ended, writes its result to the log and schedules the
/// next one.
void end_search(retention_actor::stateful_pointer<retention_actor_state> self) {
  const purge_search& search = *self->state.search;
  if (search.is_running())
    return;
  if (search.submitted() > 0)
    persistence::log(persistence::log_channel::cluster,
                     persistence::log_level::info,
                     "retention: finished instances to purge: "
                       + std::to_string(search.submitted()));
  self->delayed_send(self, self->state.rules.interval, purge_expired_now{});
}

} // namespace

retention_actor::behavior_type retention_behavior(
  retention_actor::stateful_pointer<retention_actor_state> self,
  retention_rules rules, local_instance_query query,
  std::shared_ptr<actors::management_gateway> gateway,
  std::shared_ptr<actors::settled_clock> time) {
  actors::guard_actor(self, "the actor of the retention");
  self->state.rules = std::move(rules);
  // The gateway answers on another thread; the answer of a purge that is still
  // in flight when the actor ends has no receiver.
  const auto answered
    = [weak = caf::actor_cast<caf::weak_actor_ptr>(self)](const auto&) {
        if (auto strong = caf::actor_cast<caf::strong_actor_ptr>(weak))
          caf::anon_send(caf::actor_cast<retention_actor>(strong),
                         purge_answered{});
      };
  self->state.search.emplace(
    self->state.rules, std::move(query),
    [gateway = std::move(gateway), answered](const persistence::instance_id& id,
                                             bool force) {
      gateway->submit(actors::purge_instance{id, {}, force}, answered);
    });
  // The first search begins one interval after the start. Each later search
  // begins one interval after the end of the previous one, so searches never
  // overlap.
  self->delayed_send(self, self->state.rules.interval, purge_expired_now{});
  return {
    [=](purge_expired_now) {
      // Retention is measured by the wall clock, because the time at which an
      // instance ended is stored as a wall-clock time.
      if (const auto now = time->now())
        self->state.search->begin(*now);
      end_search(self);
    },
    [=](purge_answered) {
      self->state.search->receive_answer();
      end_search(self);
    },
  };
}

} // namespace perdura::cluster
