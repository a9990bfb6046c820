// SPDX-License-Identifier: Apache-2.0
/// The router's state for one other process, which is a node of the node list
/// or a client.
#pragma once

#include "cluster/placement/peer_hello.hpp"
#include "cluster/transport/envelope.hpp"
#include "cluster/transport/packet.hpp"
#include "cluster/transport/peer_link.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace perdura::cluster {

/// One other process. A node's entry exists as long as the router; a client's
/// is removed when its session or its path ends.
struct router_peer {
  router_peer(node_id called, link_times times,
              std::function<std::uint64_t()> random)
    : name(std::move(called)), link(times, std::move(random)) {}

  /// The reason why there is no session, for an error message. Empty if there
  /// has never been a session or a refusal.
  const std::string& unreachable_reason() const {
    return refused.empty() ? why_down : refused;
  }

  node_id name;     ///< Empty means a client.
  peer_hello hello; ///< The peer's newest hello that passed all checks.
  peer_link link;
  std::optional<path_id> path; ///< The path on which packets are sent.

  /// When a session last began or ended. Empty if there has been no session.
  std::optional<steady_time> since;
  std::string why_down; ///< Why the last session ended.

  /// Why this side refused the peer's last hello, or why the peer refused the
  /// last hello of this side. Empty once a session has begun; in a session, why
  /// the hello of another process with the name of the peer was refused.
  std::string refused;

  /// The peer has refused a hello of this side because of this side's data
  /// directory, and no session has begun since.
  bool refuses_directory = false;

  /// The process that has sent a hello with the name of this node while there
  /// is a session with another process, and when its first one arrived.
  std::string rival_run;
  steady_time rival_since{};

  /// The refusal of all hellos with `excluded_run`; see peer_sessions::exclude.
  std::optional<peer_refusal> exclusion;
  std::string excluded_run;
  bool is_queued_for_flush = false; ///< `peer_sessions` will flush the peer.
  std::vector<persistence::partition_id> partitions; ///< Owned by this peer.

  /// The requests of this peer that are not answered yet. Maps the peer's
  /// number for a request to its number in `incoming_requests`.
  std::map<std::uint64_t, std::uint64_t> incoming;
};

using peer_ptr = std::shared_ptr<router_peer>;

} // namespace perdura::cluster
