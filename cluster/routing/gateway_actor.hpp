// SPDX-License-Identifier: Apache-2.0
/// The gateway of a process: accepts management requests from any thread, sends
/// each to the owner of its instance, and passes each answer to its caller.
///
/// The gateway belongs to this layer, not to `client`, because a node gives a
/// gateway to its activities. The gateway has two sides that share
/// `pending_requests`: `node_gateway`, which callers use, and an actor that
/// receives the answers.
#pragma once

#include "actors/interface/management.hpp"
#include "actors/interface/messages.hpp"
#include "cluster/routing/local_partitions.hpp"
#include "cluster/routing/router_actor.hpp"
#include "cluster/routing/scatter_gather_query.hpp"
#include "cluster/routing/send_or_cancel_token.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace perdura::cluster {

/// The callbacks of the requests that are not answered yet, by request number.
/// Thread-safe. Callbacks are called without the lock.
class pending_requests {
public:
  using callback = actors::management_gateway::callback;

  /// Adds a request and returns its new number, never 0. After `close`, adds
  /// nothing, calls `done` with errc::shutting_down and returns 0.
  std::uint64_t add(actors::instance_id id, callback done,
                    send_or_cancel_ptr token = nullptr);

  /// A request that is not answered yet.
  struct entry {
    actors::instance_id id;
    callback done;

    /// Null if the request does not wait for the owner of its instance.
    send_or_cancel_ptr token;
  };

  /// Removes and returns an entry. Empty if the request was answered or
  /// cancelled before. The removal ensures that each callback is called only
  /// once.
  std::optional<entry> remove(std::uint64_t number);

  /// Answers all pending requests, and all later ones, with errc::shutting_down
  /// and the sentence `why`.
  void close(const std::string& why);

  /// @error errc::shutting_down  `close` was called; the message is its `why`.
  persistence::result<void> check_open() const;

private:
  mutable std::mutex mutex_;
  std::uint64_t next_ = 1; ///< The number of the next request.
  bool closed_ = false;
  std::string why_; ///< The argument of `close`.
  std::unordered_map<std::uint64_t, entry> entries_;
};

/// The parts of the process that a gateway uses. The functions may be called on
/// any thread, also after the process's node has stopped.
struct gateway_dependencies {
  router_control_actor router; ///< Null until `node_gateway::open`.

  /// The value of `reply_to::gateway` in the requests of this gateway. Differs
  /// between the gateways of a process.
  std::uint64_t gateway_number = 1;
  std::shared_ptr<const scatter_gather_query> cluster_query;

  /// See the functions of management_gateway with the same names.
  std::function<actors::management_payload(const std::string&)> payload_of;
  std::function<bool()> is_seed_compatible;
};

/// The side of the gateway that callers use. The contract of the overridden
/// functions stands in management_gateway. Thread-safe. A gateway may outlive
/// its node; it then answers errc::shutting_down.
class node_gateway final : public actors::management_gateway {
public:
  node_gateway(gateway_dependencies dependencies,
               std::shared_ptr<pending_requests> pending);

  using management_gateway::submit;
  std::uint64_t submit(actors::management_request request, callback done,
                       actors::if_owner_unavailable what) override;
  void cancel(std::uint64_t number) override;
  persistence::result<persistence::instance_page>
  query(const persistence::instance_query& query,
        persistence::duration time_out) override;
  persistence::result<actors::instance_counts>
  count(bool partial, persistence::duration time_out) override;
  std::vector<std::pair<std::string, std::string>> stuck() override;
  actors::management_payload payload_of(const std::string& id) const override;
  bool is_seed_compatible() const override;

  /// Sets the router. Before this call every request is refused with
  /// errc::unavailable.
  void open(router_control_actor router);

  /// Sets the partitions of this node. Once the node is admitted, requests for
  /// them bypass the router, and a status without history is read from storage
  /// on the caller's thread. `is_admitted` is true if the node is admitted
  /// already. The value false does not revoke an earlier `set_admitted`.
  void set_local_partitions(local_partitions_ptr local, bool is_admitted);

  /// Informs the gateway that the node is admitted. May be called before
  /// `set_local_partitions`, and more than once.
  void set_admitted();

  /// Called when the node stops. Pending and later requests are answered with
  /// errc::shutting_down and the sentence `why`.
  void close(const std::string& why);

private:
  /// The destinations of requests at one moment.
  struct routes {
    router_control_actor router; ///< Null before `open` and after `close`.
    local_partitions_ptr local;  ///< Null if requests must use the router.
  };

  routes current_routes();

  std::shared_ptr<pending_requests> pending_;
  /// Guards `dependencies_.router`, `local_` and `is_admitted_`.
  std::mutex mutex_;
  gateway_dependencies dependencies_;
  local_partitions_ptr local_;
  bool is_admitted_ = false;
};

/// The behavior of the actor that receives the answers and calls the callbacks.
actors::gateway_actor::behavior_type
gateway_behavior(actors::gateway_actor::pointer self,
                 std::shared_ptr<pending_requests> pending);

} // namespace perdura::cluster
