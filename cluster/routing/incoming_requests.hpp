// SPDX-License-Identifier: Apache-2.0
/// The requests of other processes that local partitions are to answer.
#pragma once

#include "cluster/routing/peer_sessions.hpp"

#include <memory>
#include <unordered_map>

namespace perdura::cluster {

/// Delivers requests of other processes, and sends the answers back. Not
/// thread-safe. All references that the constructor takes must outlive this
/// object.
class incoming_requests {
public:
  incoming_requests(const router_config& config, router_host& host,
                    const serving_state& state, const owner_table& owners,
                    peer_sessions& sessions)
    : config_(config),
      host_(host),
      state_(state),
      owners_(owners),
      sessions_(sessions) {}

  /// Delivers a request to a local partition, or answers that this node does
  /// not serve it.
  void request(const peer_ptr& from, remote_request asked);

  /// The peer does not wait for the answer any more.
  void cancel(const peer_ptr& from, const remote_cancel& cancelled);

  /// Sends the answer of a local partition. `number` is the correlation of the
  /// delivered request. Does nothing if the session in which the request
  /// arrived has ended.
  void answer(std::uint64_t number, const actors::management_answer& answer);

  /// Drops the requests of a peer with which the session has ended.
  void session_ended(router_peer& at);

  /// The number of requests that are not answered yet.
  std::size_t size() const {
    return pending_.size();
  }

private:
  struct incoming {
    std::weak_ptr<router_peer> from;
    std::uint64_t number = 0; ///< The peer's number for the request.
    persistence::instance_id id;
    bool is_wait = false;
  };

  void drop(std::uint64_t number);

  const router_config& config_;
  router_host& host_;
  const serving_state& state_;
  const owner_table& owners_;
  peer_sessions& sessions_;
  std::uint64_t last_number_ = 0; ///< The last number given to a request.

  /// By the number that this object gave to the request.
  std::unordered_map<std::uint64_t, incoming> pending_;
};

} // namespace perdura::cluster
