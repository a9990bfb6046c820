// SPDX-License-Identifier: Apache-2.0
/// The gateway of a process: accepts management requests from any thread, sends
/// each to the owner of its instance, and passes each answer to its caller.
///
/// The gateway belongs to this layer, not to `client`, because a node gives a
/// gateway to its activities. The answers arrive at `pending_requests`, on the
/// threads of partitions and of the router.
#pragma once

#include "actors/interface/management.hpp"
#include "cluster/routing/local_partitions.hpp"
#include "cluster/routing/pending_requests.hpp"
#include "cluster/routing/router_actor.hpp"
#include "cluster/routing/scatter_gather_query.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace perdura::cluster {

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

/// The gateway of a process. The contract of the overridden functions stands in
/// management_gateway. Thread-safe. A gateway may outlive its node; it then
/// answers errc::shutting_down.
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
  /// them bypass the router, and a status without history and details is read
  /// from storage on the caller's thread. `is_admitted` is true if the node is
  /// admitted already. The value false does not revoke an earlier
  /// `set_admitted`.
  void set_local_partitions(local_partitions_ptr local, bool is_admitted);

  /// Informs the gateway that the node is admitted. May be called before
  /// `set_local_partitions`, and more than once.
  void set_admitted();

  /// Called when the node stops. Pending and later requests are answered with
  /// the sentence `why` and the code: errc::shutting_down, or errc::internal
  /// after a fault. A second call has no effect.
  void close(const std::string& why,
             persistence::errc code = persistence::errc::shutting_down);

private:
  /// The destinations of requests at one moment.
  struct routes {
    router_control_actor router; ///< Null before `open` and after `close`.
    local_partitions_ptr local;  ///< Null if requests must use the router.
  };

  std::shared_ptr<const routes> current_routes();
  std::shared_ptr<const routes> replace_routes();

  std::shared_ptr<pending_requests> pending_;
  /// Guards `dependencies_.router`, `local_`, `is_admitted_` and `routes_`.
  std::mutex mutex_;
  gateway_dependencies dependencies_;
  local_partitions_ptr local_;
  bool is_admitted_ = false;
  std::shared_ptr<const routes> routes_; ///< Never null; one copy a request.
};

} // namespace perdura::cluster
