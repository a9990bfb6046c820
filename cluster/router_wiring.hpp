/// What ties a router to the world, on a node and in a client alike.
#pragma once

#include "cluster/router_actor.hpp"
#include "cluster/transport.hpp"

namespace perdura::cluster {

/// Random, never 0.
std::uint64_t random_session();

/// What the transport tells goes to the router's mailbox.
transport_listener listener_of(const router_control_actor& router);

} // namespace perdura::cluster
