/// Finds the owner of whatever is asked for. On one node every partition is
/// here.
#pragma once

#include "actors/messages.hpp"

#include <unordered_map>
#include <vector>

namespace perdura::cluster {

/// Tells the router where its partitions are, and which doors there are.
struct partitions_ready {
  std::vector<actors::partition_actor> partitions; ///< By partition_id.
};

struct door_opened {
  std::uint64_t door = 0;
  actors::gateway_actor gateway;
};

/// The partitions are let go, so that they can end.
struct partitions_gone {};

} // namespace perdura::cluster

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::partitions_ready)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::door_opened)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::partitions_gone)

namespace perdura::cluster {

/// What its node may say to the router besides what everybody may.
using router_control_actor
  = actors::router_actor::extend<caf::reacts_to<partitions_ready>,
                                 caf::reacts_to<door_opened>,
                                 caf::reacts_to<partitions_gone>>;

struct router_actor_state {
  static inline const char* name = "router";

  actors::partition_actor* owner_of(persistence::partition_id id);

  std::vector<actors::partition_actor> partitions;
  std::unordered_map<std::uint64_t, actors::gateway_actor> doors;
};

/// (It takes an argument also because CAF 0.17.6 dereferences a null tuple
/// when it spawns a function actor without any.)
router_control_actor::behavior_type
router_behavior(router_control_actor::stateful_pointer<router_actor_state> self,
                std::uint32_t partition_count);

} // namespace perdura::cluster
