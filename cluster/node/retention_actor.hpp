/// Purges what ended long ago.
#pragma once

#include "actors/interface/management.hpp"
#include "persistence/records/clock.hpp"

#include <caf/all.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace perdura::cluster {

struct retention_rules {
  persistence::duration hub{0}; ///< 0: for ever.
  /// Orchestrators that have a rule of their own.
  std::map<std::string, persistence::duration> by_name;
  persistence::duration interval = std::chrono::minutes(1);

  bool keeps_everything() const;
};

/// To itself: it is time to look.
struct look_for_expired {};

} // namespace perdura::cluster

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::look_for_expired)

namespace perdura::cluster {

using retention_actor = caf::typed_actor<caf::reacts_to<look_for_expired>>;

/// A page of what this node owns: each looks after its own.
using own_query = std::function<persistence::result<persistence::instance_page>(
  const persistence::instance_query&)>;

/// Queries block, so it wants a thread of its own (caf::detached).
retention_actor::behavior_type
retention_behavior(retention_actor::pointer self, retention_rules rules,
                   own_query query,
                   std::shared_ptr<actors::management_gateway> gateway,
                   const persistence::clock* time);

} // namespace perdura::cluster
