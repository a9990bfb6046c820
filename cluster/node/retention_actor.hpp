// SPDX-License-Identifier: Apache-2.0
/// The actor that purges finished instances after their retention time.
#pragma once

#include "actors/interface/management.hpp"
#include "persistence/records/clock.hpp"

#include <caf/all.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace perdura::cluster {

/// The retention times: how long finished instances are kept after their end.
/// The value 0 keeps them for ever.
struct retention_rules {
  /// Applies to all orchestrators that are not in `by_name`.
  persistence::duration hub{0};

  /// The retention time of each orchestrator that has one of its own, by name.
  std::map<std::string, persistence::duration> by_name;

  /// The time between the end of a search for expired instances and the next
  /// search.
  persistence::duration interval = std::chrono::minutes(1);

  /// True if no rule ever purges an instance.
  bool keeps_everything() const;
};

/// Sent by the actor to itself: search for expired instances now.
struct purge_expired_now {};

} // namespace perdura::cluster

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::purge_expired_now)

namespace perdura::cluster {

using retention_actor = caf::typed_actor<caf::reacts_to<purge_expired_now>>;

/// Returns one page of the instances that this node owns; blocks. Each node
/// purges only its own instances.
using local_instance_query
  = std::function<persistence::result<persistence::instance_page>(
    const persistence::instance_query&)>;

/// The behavior of the actor. Queries block, so the actor must be spawned with
/// a thread of its own (caf::detached). `gateway` receives the purge requests;
/// `time` supplies the wall-clock time and must outlive the actor.
retention_actor::behavior_type
retention_behavior(retention_actor::pointer self, retention_rules rules,
                   local_instance_query query,
                   std::shared_ptr<actors::management_gateway> gateway,
                   const persistence::clock* time);

} // namespace perdura::cluster
