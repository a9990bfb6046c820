// SPDX-License-Identifier: Apache-2.0
/// Messages and acknowledgements between partitions.
#pragma once

#include "cluster/routing/peer_sessions.hpp"

#include <utility>
#include <vector>

namespace perdura::cluster {

/// Passes messages between partitions to their partition on any node. Not
/// thread-safe. All references that the constructor takes must outlive this
/// object.
class partition_mail {
public:
  partition_mail(router_host& host, const serving_state& state,
                 const owner_table& owners, peer_sessions& sessions)
    : host_(host), state_(state), owners_(owners), sessions_(sessions) {}

  /// See the functions of node_router with the same meaning.
  void route(actors::partition_message message, persistence::partition_id to);
  void route(actors::partition_acknowledgement note,
             persistence::partition_id to);

  /// Accept a message or an acknowledgement of another node. It is ignored if
  /// that node does not own the sending partition.
  void received(const router_peer& from, remote_message message);
  void received(const router_peer& from, const remote_acknowledgement& note);

  /// Called when `serving_state::serves` has changed. Delivers the messages
  /// that were kept until this node served.
  void serving_changed();

private:
  void deliver(actors::inbound message, persistence::partition_id to);

  router_host& host_;
  const serving_state& state_;
  const owner_table& owners_;
  peer_sessions& sessions_;

  /// Messages that arrived before this node served. Their senders would not
  /// repeat them within the session.
  std::vector<std::pair<persistence::partition_id, actors::inbound>>
    before_serving_;
};

} // namespace perdura::cluster
