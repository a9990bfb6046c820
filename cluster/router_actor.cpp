#include "cluster/router_actor.hpp"

#include "cluster/partition_map.hpp"

namespace perdura::cluster {

actors::partition_actor*
router_actor_state::owner_of(persistence::partition_id id) {
  const std::uint32_t index = persistence::index_of(id);
  return index < partitions.size() ? &partitions[index] : nullptr;
}

router_control_actor::behavior_type
router_behavior(router_control_actor::stateful_pointer<router_actor_state> self,
                std::uint32_t partition_count) {
  auto* state = &self->state;
  const auto answer = [=](actors::reply_to to, actors::management_answer what) {
    auto door = state->doors.find(to.door);
    if (door != state->doors.end())
      self->send(door->second, actors::management_reply{to, std::move(what)});
  };
  return {
    [=](actors::management_inbound& x) {
      if (state->partitions.empty()) {
        actors::management_answer away;
        away.code = persistence::errc::shutting_down;
        away.id = actors::instance_of(x.request);
        away.message = "This node is stopping; ask again when it is back.";
        answer(x.from, std::move(away));
        return;
      }
      auto* owner = state->owner_of(
        partition_of(actors::instance_of(x.request), partition_count));
      self->send(*owner, std::move(x));
    },
    [=](actors::partition_outward& x) {
      if (auto* owner = state->owner_of(x.to))
        self->send(*owner, std::move(x.message));
    },
    [=](actors::acknowledgement_outward& x) {
      if (auto* owner = state->owner_of(x.to))
        self->send(*owner, x.note);
    },
    [=](actors::management_reply& x) { answer(x.to, std::move(x.answer)); },
    [=](partitions_ready& x) { state->partitions = std::move(x.partitions); },
    [=](door_opened& x) { state->doors[x.door] = std::move(x.gateway); },
    [=](partitions_gone) {
      state->partitions.clear();
      state->doors.clear();
    },
  };
}

} // namespace perdura::cluster
