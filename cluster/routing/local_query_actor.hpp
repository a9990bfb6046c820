// SPDX-License-Identifier: Apache-2.0
/// The actor that runs queries of other nodes over the partitions of this node.
/// A query blocks, so the actor must be spawned with a thread of its own
/// (caf::detached).
#pragma once

#include "cluster/routing/router_actor.hpp"

#include <functional>

namespace perdura::cluster {

/// Requests the actor to run a query. The result is sent to the router `from`
/// as a local_query_result with the same ticket.
struct local_query_request {
  router_control_actor from;
  std::uint64_t ticket = 0;
  node_query query;
};

} // namespace perdura::cluster

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::local_query_request)

namespace perdura::cluster {

using local_query_actor = caf::typed_actor<caf::reacts_to<local_query_request>>;

/// Runs a query over the partitions of this node; may block.
using local_query_runner
  = std::function<persistence::result<node_query_answer>(const node_query&)>;

/// The behavior of the actor. The actor runs one query after the other.
local_query_actor::behavior_type
local_query_behavior(local_query_actor::pointer self, local_query_runner run);

} // namespace perdura::cluster
