/// What ties a router to the world, on a node and in a client alike.
#pragma once

#include "cluster/node_config.hpp"
#include "cluster/router_actor.hpp"
#include "cluster/transport.hpp"

namespace perdura::cluster {

/// Random, never 0.
std::uint64_t random_session();

/// Scheduler threads without work look for some for a moment only, and then
/// sleep until there is: CAF's defaults poll for 25 ms after each message.
void use_quiet_scheduler(caf::actor_system_config& system);

/// Of a node of this hub, but for its URL and who may come.
router_config router_config_of(const persistence::hub_identity& hub,
                               const node_config& config);

/// What the transport tells goes to the router's mailbox.
transport_listener listener_of(const router_control_actor& router);

} // namespace perdura::cluster
