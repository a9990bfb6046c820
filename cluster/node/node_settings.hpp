// SPDX-License-Identifier: Apache-2.0
/// Everything that the caller of a node sets before `node::begin`: the
/// settings, the functions, and the callbacks.
#pragma once

#include "cluster/node/node.hpp"

#include <memory>
#include <string>

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
};

} // namespace perdura::cluster
