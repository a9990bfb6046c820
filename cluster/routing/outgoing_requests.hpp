// SPDX-License-Identifier: Apache-2.0
/// The requests of this process on their way to the owners of their instances.
#pragma once

#include "cluster/routing/peer_sessions.hpp"
#include "cluster/routing/send_or_cancel_token.hpp"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace perdura::cluster {

/// Sends requests to local partitions or to their owners, and keeps those that
/// another node is to answer. Not thread-safe. All references that the
/// constructor takes must outlive this object.
class outgoing_requests {
public:
  outgoing_requests(const router_config& config, router_host& host,
                    const serving_state& state, const owner_table& owners,
                    peer_sessions& sessions)
    : config_(config),
      host_(host),
      state_(state),
      owners_(owners),
      sessions_(sessions) {}

  /// See node_router::handle_request.
  void submit(actors::management_inbound request, send_or_cancel_ptr token,
              steady_time now);

  /// Delivers the requests that waited for the admission of this node, except
  /// those that their callers have withdrawn.
  void deliver_admitted();

  /// Sends all requests that wait for the node `to`. Called when a session with
  /// the node has begun.
  void forward_waiting(const router_peer& to);

  /// Handles the requests that were sent in a session that has ended. Requests
  /// that survive the session wait for the next one; all others fail.
  void session_ended(const router_peer& at);

  /// Handles the answer of another node.
  void answered(const router_peer& from, remote_answer answer, steady_time now);

  /// Fails the requests that were not answered within `request_time_max`, and
  /// sends requests again that a node did not serve before.
  void tick(steady_time now);

  /// The number of requests that another node has not answered yet, including
  /// those that wait until their owner is reachable.
  std::size_t size() const {
    return pending_.size();
  }

private:
  /// A request of this process that another node is to answer.
  struct outgoing {
    actors::reply_to from;

    /// The request. It is moved from when it is sent, unless it survives its
    /// session.
    actors::management_request request;

    /// Empty while the placement is not known (in a client).
    std::optional<persistence::partition_id> partition;
    steady_time since{}; ///< The time of `submit`.
    bool sent = false;   ///< Sent in the owner's current session.

    /// True if the request is not a read. If the answer is lost, the outcome of
    /// the request is then unknown.
    bool changes = false;

    /// If the session ends before the answer, the request is sent again in the
    /// next session with its owner. True for waits and for requests with a
    /// token.
    bool survives_session = false;
    /// Null if the request is not to wait for a session with its owner.
    send_or_cancel_ptr token;
  };

  using by_number = std::map<std::uint64_t, outgoing>;

  /// The number of a gateway, and the number that this gateway gave to a
  /// request, as in reply_to.
  using gateway_request = std::pair<std::uint64_t, std::uint64_t>;

  router_peer* owner_of(outgoing& request) const;
  void deliver_locally(actors::management_inbound request,
                       persistence::partition_id to);
  void refuse(actors::reply_to to, const persistence::instance_id& id,
              persistence::errc code, std::string message);
  void refuse_unreachable(actors::reply_to to,
                          const persistence::instance_id& id,
                          persistence::partition_id partition);
  void forward(std::uint64_t number, outgoing& request, router_peer& to);
  void cancel(const actors::management_inbound& request);
  void fail(by_number::iterator it, const std::string& what,
            const char* advice);
  void fail_overdue(steady_time now);
  void erase(by_number::iterator it);

  const router_config& config_;
  router_host& host_;
  const serving_state& state_;
  const owner_table& owners_;
  peer_sessions& sessions_;

  /// Requests with a token for local partitions, until this node is admitted.
  std::vector<std::pair<actors::management_inbound, send_or_cancel_ptr>>
    awaiting_admission_;

  /// The time at which waiting requests are sent again. Set when a node has
  /// answered that it does not serve now; empty otherwise.
  std::optional<steady_time> forward_again_at_;
  std::uint64_t last_number_ = 0; ///< The last number given to a request.
  by_number pending_;             ///< Oldest first.

  /// All requests in `pending_` with a number below this one are older than
  /// `request_time_max`. They are still there because they survive sessions.
  std::uint64_t overdue_from_ = 0;

  /// The keys of `pending_`, by the reply_to of the request.
  std::map<gateway_request, std::uint64_t> numbers_;
};

} // namespace perdura::cluster
