// SPDX-License-Identifier: Apache-2.0
/// Everything that the caller of a node sets before `node::begin`: the
/// settings, the functions, and the callbacks.
#pragma once

#include "cluster/node/node.hpp"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace perdura::cluster {

/// Owned by `node::impl`; the parts of the node keep references to it. Written
/// by one thread before `node::begin`, and only read afterwards, so no lock is
/// needed.
struct node_settings {
  node_config config;

  /// The orchestrators and activities of this node; never null.
  std::shared_ptr<const actors::registry> functions;

  // The values that the setters of `node` with these names set; see there. Each
  // may be empty.

  std::string url;
  node::payload_maker make_payload;
  node::activity_observer observe;
  node::stop_listener must_stop;

  /// Why the node is not ready; see `node::unready_reasons`. Set by the node
  /// itself, for the report of the hub.
  std::function<std::vector<unready_reason>()> unready_reasons;

  /// The activities that block others, and the turns that do not return; see
  /// actors::stuck_activities and work_guard::hung_turns. Set by the node
  /// itself, too.
  std::function<std::vector<std::pair<std::string, std::string>>()> stuck_code;
};

} // namespace perdura::cluster
