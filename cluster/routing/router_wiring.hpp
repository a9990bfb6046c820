/// What ties a router to the world, on a node and in a client alike.
#pragma once

#include "cluster/node/node_config.hpp"
#include "cluster/routing/question_fan.hpp"
#include "cluster/routing/router_actor.hpp"
#include "cluster/transport/transport.hpp"

namespace perdura::cluster {

/// Random, never 0.
std::uint64_t random_session();

/// Of a node of this hub, but for its URL and who may come.
router_config router_config_of(const persistence::hub_identity& hub,
                               const node_config& config);

/// Of a client of these nodes.
router_config client_router_config(const cluster_config& cluster,
                                   std::vector<node_id> nodes);

/// Asks another node; a null router has been stopped, and says why.
void ask_peer(const router_control_actor& router, const char* why_stopped,
              const node_id& node, question asked,
              question_fan::answer_callback answer);

/// How the other nodes look from here; nothing from a router that is gone.
std::vector<peer_report> peers_of(const router_control_actor& router);

/// What the transport tells goes to the router's mailbox.
transport_listener listener_of(const router_control_actor& router);

} // namespace perdura::cluster
