// SPDX-License-Identifier: Apache-2.0
/// The actor that purges finished instances after their retention time.
#pragma once

#include "actors/interface/management.hpp"
#include "actors/timing/settled_clock.hpp"
#include "cluster/node/purge_search.hpp"
#include "cluster/node/retention_rules.hpp"

#include <caf/all.hpp>

#include <memory>
#include <optional>

namespace perdura::cluster {

/// Sent by the actor to itself: search for expired instances now.
struct purge_expired_now {};

/// Sent to the actor when a purge has been answered.
struct purge_answered {};

} // namespace perdura::cluster

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::purge_expired_now)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::purge_answered)

namespace perdura::cluster {

using retention_actor = caf::typed_actor<caf::reacts_to<purge_expired_now>,
                                         caf::reacts_to<purge_answered>>;

struct retention_actor_state {
  retention_rules rules;
  std::optional<purge_search> search;
};

/// The behavior of the actor. Queries block, so the actor must be spawned with
/// a thread of its own (caf::detached). `gateway` receives the purge requests;
/// `time` supplies the settled time of the wall clock. While that time is not
/// known, nothing is purged.
retention_actor::behavior_type retention_behavior(
  retention_actor::stateful_pointer<retention_actor_state> self,
  retention_rules rules, local_instance_query query,
  std::shared_ptr<actors::management_gateway> gateway,
  std::shared_ptr<actors::settled_clock> time);

} // namespace perdura::cluster
