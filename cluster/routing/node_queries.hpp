// SPDX-License-Identifier: Apache-2.0
/// Queries between nodes, in both directions.
#pragma once

#include "cluster/routing/peer_sessions.hpp"

#include <map>
#include <memory>
#include <unordered_map>

namespace perdura::cluster {

/// The queries that wait for an answer of another node, and the queries of
/// other processes that run on this node. Not thread-safe. All references that
/// the constructor takes must outlive this object.
class node_queries {
public:
  node_queries(const router_config& config, router_host& host,
               peer_sessions& sessions)
    : config_(config), host_(host), sessions_(sessions) {}

  /// See node_router::query_peer.
  void send(const node_id& node, node_query query, std::uint64_t ticket,
            steady_time now);

  /// Handles the answer of another node.
  void answered(const router_peer& from, remote_query_answer answer);

  /// Runs a query of another process on this node.
  void request(const peer_ptr& from, remote_query asked);

  /// See node_router::complete_local_query.
  void complete_local(std::uint64_t ticket,
                      persistence::result<node_query_answer> answer);

  /// Fails the queries that were sent in a session that has ended.
  void session_ended(const router_peer& at);

  /// Fails the queries that were not answered within `request_time_max`.
  void tick(steady_time now);

private:
  /// A query that was sent to another node.
  struct outgoing_query {
    std::uint64_t ticket = 0;
    node_id node;
    steady_time since{};
  };

  /// A query of another process that runs on this node.
  struct incoming_query {
    std::weak_ptr<router_peer> from;
    std::uint64_t session = 0; ///< The session in which it arrived.
    std::uint64_t number = 0;  ///< The peer's number for the query.
  };

  using by_number = std::map<std::uint64_t, outgoing_query>;

  void complete(by_number::iterator it,
                persistence::result<node_query_answer> answer);

  const router_config& config_;
  router_host& host_;
  peer_sessions& sessions_;

  /// The last number given to a query, in either direction.
  std::uint64_t last_number_ = 0;
  by_number sent_; ///< Oldest first.

  /// By the ticket that router_host::run_local_query got.
  std::unordered_map<std::uint64_t, incoming_query> local_;
};

} // namespace perdura::cluster
