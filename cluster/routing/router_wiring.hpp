// SPDX-License-Identifier: Apache-2.0
/// Connects a router actor to its configuration, to the transport and to
/// callers that block. Used by nodes and by clients.
#pragma once

#include "cluster/placement/cluster_config.hpp"
#include "cluster/routing/router_actor.hpp"
#include "cluster/routing/scatter_gather_query.hpp"
#include "cluster/transport/transport.hpp"

namespace perdura::cluster {

/// Returns a random session number, never 0. Thread-safe.
std::uint64_t random_session_number();

/// The configuration of a node's router, from the identity that is stored in
/// the hub and the settings. The caller sets `self.url`,
/// `self.seed_compatible`, `must_be_admitted` and `admit`.
router_config router_config_of(const persistence::hub_identity& hub,
                               const cluster_config& cluster);

/// The configuration of the router of a client of these nodes.
router_config client_router_config(const cluster_config& cluster,
                                   std::vector<node_id> nodes);

/// Sends a query to another node; never blocks. `answer` is called on the
/// router's thread. If `router` is null, `answer` is called at once, on the
/// caller's thread, with errc::shutting_down and the sentence `why_stopped`. If
/// the router ends before the answer, `answer` is not called.
void query_peer(const router_control_actor& router, const char* why_stopped,
                const node_id& node, node_query query,
                node_query_callback answer);

/// The state of the peer nodes as this process sees it. Blocks for at most one
/// second; empty if the router is null or does not answer in that time.
std::vector<peer_report> query_peer_reports(const router_control_actor& router);

/// Callbacks that put each event of a transport into the router's mailbox.
transport_listener make_transport_listener(const router_control_actor& router);

} // namespace perdura::cluster
