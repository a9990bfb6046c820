// SPDX-License-Identifier: Apache-2.0
/// The router's state for one other process, which is a node of the node list
/// or a client. Only the sources of node_router include this header.
#pragma once

#include "cluster/routing/node_router.hpp"

namespace perdura::cluster {

/// The message of errc::unavailable while this node is not admitted.
inline constexpr const char* new_directory_sentence
  = "This node's data directory is new. The node serves requests only after "
    "another node of the cluster has admitted it, because the directory may "
    "have replaced one that held data. Try again when the other nodes are up.";

/// The end of the error message of a request whose outcome is unknown.
inline constexpr const char* unknown_sentence
  = "; the request may or may not have been carried out. A repeat with the "
    "same request_id is safe.";

/// One other process. A node's entry exists as long as the router; a client's
/// is removed when its session or its path ends.
struct node_router::peer {
  peer(node_id called, link_times times, std::function<std::uint64_t()> random)
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
  steady_time since{};         ///< When a session last began or ended.
  std::string why_down;        ///< Why the last session ended.

  /// Why this side refused the peer's last hello, or why the peer refused the
  /// last hello of this side. Empty once a session has begun.
  std::string refused;
  bool is_queued_for_flush = false; ///< The peer is in `peers_to_flush_`.
  std::vector<persistence::partition_id> partitions; ///< Owned by this peer.

  /// The requests of this peer that are not answered yet. Maps the peer's
  /// number for a request to the key of the request in `incoming_`.
  std::map<std::uint64_t, std::uint64_t> incoming;
};

} // namespace perdura::cluster
