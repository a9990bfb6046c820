// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/remote_gateway.hpp"

#include "cluster/node/client_fault.hpp"
#include "cluster/node/management_urls.hpp"
#include "cluster/node/thread_budget.hpp"
#include "cluster/placement/node_list.hpp"
#include "cluster/placement/partition_map.hpp"
#include "cluster/routing/node_gateway.hpp"
#include "cluster/routing/router_wiring.hpp"
#include "cluster/scheduling/actor_scheduler.hpp"
#include "cluster/scheduling/logger_release.hpp"
#include "cluster/transport/caf_transport.hpp"

#include <functional>
#include <mutex>
#include <shared_mutex>

namespace perdura::cluster {

using namespace persistence;

namespace {

// The gateway number of the only gateway of this process.
constexpr std::uint64_t client_gateway_number = 1;

// The message of errc::shutting_down after `close`.
constexpr const char* closed_sentence
  = "The gateway to the cluster has been closed.";

} // namespace

/// Owns the actor system, the router and the transport of a client. The public
/// members are for `remote_gateway`, which does not change them after `begin`.
class remote_gateway::impl {
public:
  /// `caf_config` already has the network modules. Starts the threads of the
  /// actor system.
  impl(cluster_config cluster,
       std::unique_ptr<actors::guarded_system_config> caf_config)
    : cluster_(std::move(cluster)), caf_config_(std::move(caf_config)) {
    caf_config_->on_fault = [fault = fault_](const std::string& where,
                                             const std::exception_ptr& cause) {
      fault->report(where, cause);
    };
    // Two threads suffice: a client runs no orchestrations, and callbacks must
    // not block.
    install_coalescing_scheduler(*caf_config_, 2);
    system_ = std::make_unique<caf::actor_system>(*caf_config_);
  }

  ~impl() {
    close();
  }

  /// Spawns the actors and begins to connect. Called once.
  result<void> begin(const std::vector<listed_node>& nodes);

  /// See `remote_gateway::close`. Blocks until all actors have ended.
  void close();

  /// The state of the nodes as this process sees it; empty after `close`.
  std::vector<peer_report> peer_reports() const;

  cluster_config cluster_;
  std::shared_ptr<node_gateway> gateway_;
  std::shared_ptr<scatter_gather_query> cluster_query_;
  std::shared_ptr<cluster_view> view_ = std::make_shared<cluster_view>();
  std::shared_ptr<client_fault> fault_ = std::make_shared<client_fault>();

private:
  /// The gateway's access to the router. Shared with the gateway, which may
  /// outlive this object.
  struct router_access {
    /// Locked shared while `router` is used; locked exclusively by `close`.
    std::shared_mutex mutex;
    router_control_actor router; ///< Null after `close`.
  };

  /// Creates the gateway and registers it, with its number, in the router. The
  /// router must exist.
  void open_gateway();

  std::unique_ptr<actors::guarded_system_config> caf_config_;
  std::unique_ptr<caf::actor_system> system_;
  std::shared_ptr<transport> transport_;
  std::shared_ptr<router_access> access_ = std::make_shared<router_access>();
  router_control_actor router_;
  std::mutex close_mutex_; ///< Held during `close`: a second call waits.
  bool closed_ = false;    ///< Guarded by `close_mutex_`.
};

void remote_gateway::impl::open_gateway() {
  auto pending = std::make_shared<pending_requests>();
  caf::anon_send(router_, gateway_opened{client_gateway_number, pending});
  // A client has no partitions of its own, so `run_local_query` stays null.
  scatter_gather_dependencies queries;
  queries.view = view_;
  queries.query_peer = [access = access_](const node_id& node, node_query query,
                                          node_query_callback answer) {
    const std::shared_lock lock(access->mutex);
    query_peer(access->router, closed_sentence, node, std::move(query),
               std::move(answer));
  };
  cluster_query_ = std::make_shared<scatter_gather_query>(std::move(queries));
  gateway_dependencies dependencies;
  dependencies.router = router_;
  dependencies.gateway_number = client_gateway_number;
  dependencies.cluster_query = cluster_query_;
  // The URLs point to the HTTP server of the node that owns the instance, if
  // that node has one. They have no `code` parameter, because a client does not
  // know the access keys of the nodes.
  dependencies.payload_of = [view = view_](const std::string& id) {
    actors::management_payload none;
    none.id = id;
    const placement owners = view->owners();
    if (owners.owners.empty())
      return none;
    const auto count = static_cast<std::uint32_t>(owners.owners.size());
    const auto owner = view->hello_of(owners.owner_of(partition_of(id, count)));
    if (!owner || owner->url.empty())
      return none;
    management_base base;
    base.origin = owner->url;
    base.task_hub = owner->task_hub;
    return make_management_payload(base, id);
  };
  // All nodes are expected to have the same `compat_seed`, so the hello of any
  // of them is used. Before the first session the answer is false.
  dependencies.is_seed_compatible = [view = view_] {
    const auto hello = view->any_hello();
    return hello && hello->seed_compatible;
  };
  gateway_ = std::make_shared<node_gateway>(std::move(dependencies),
                                            std::move(pending));
  fault_->set([access = access_, weak = std::weak_ptr<node_gateway>(gateway_)](
                const std::string& why) {
    {
      const std::unique_lock lock(access->mutex);
      access->router = nullptr;
    }
    if (const auto gateway = weak.lock())
      gateway->close(why, errc::internal);
  });
}

result<void>
remote_gateway::impl::begin(const std::vector<listed_node>& nodes) {
  router_dependencies dependencies;
  dependencies.peer_connected
    = [view = view_](const peer_hello& hello) { view->peer_connected(hello); };
  dependencies.peer_disconnected
    = [view = view_](const node_id& node) { view->peer_disconnected(node); };
  router_ = system_->spawn(router_behavior,
                           client_router_config(cluster_, names_of(nodes)),
                           std::move(dependencies));
  access_->router = router_;
  open_gateway();
  caf_transport_config network;
  network.connect_to = nodes;
  network.tls = cluster_.has_tls();
  auto opened = open_caf_transport(*system_, std::move(network),
                                   make_transport_listener(router_));
  if (!opened)
    return opened.error();
  transport_ = std::move(*opened);
  caf::anon_send(router_, transport_ready{transport_});
  return {};
}

std::vector<peer_report> remote_gateway::impl::peer_reports() const {
  const std::shared_lock lock(access_->mutex);
  return query_peer_reports(access_->router);
}

// The order is that of `node::stop`: first the gateway and the transport are
// closed, so that nothing arrives any more, then the actors and the threads
// end.
void remote_gateway::impl::close() {
  const std::lock_guard closing(close_mutex_);
  if (closed_)
    return;
  closed_ = true;
  if (gateway_)
    gateway_->close(closed_sentence);
  if (router_)
    caf::anon_send(router_, transport_ready{nullptr});
  if (transport_)
    transport_->close();
  transport_.reset();
  {
    // The lock waits for the queries that use the router now. Later queries
    // find that `router` is null.
    const std::unique_lock lock(access_->mutex);
    access_->router = nullptr;
  }
  if (router_) {
    caf::anon_send(router_, partitions_released{});
    caf::anon_send_exit(router_, caf::exit_reason::user_shutdown);
  }
  router_ = nullptr;
  system_.reset(); // blocks until all actors have ended
}

// --- The public class --------------------------------------------------------

remote_gateway::remote_gateway() = default;

remote_gateway::~remote_gateway() = default;

result<std::unique_ptr<remote_gateway>>
remote_gateway::open(const cluster_config& cluster) {
  auto nodes = parse_nodes(cluster.nodes);
  if (!nodes)
    return nodes.error();
  if (nodes->empty())
    return error{errc::invalid_argument,
                 "A cluster client needs the cluster's nodes: the list of "
                 "nodes is empty."};
  if (auto threads = check_client_threads(cluster); !threads)
    return threads.error();
  const logger_release release;
  auto system = std::make_unique<actors::guarded_system_config>();
  if (auto ready = prepare_network(*system, cluster); !ready)
    return ready.error();
  std::unique_ptr<remote_gateway> made(new remote_gateway);
  made->impl_ = std::make_unique<impl>(cluster, std::move(system));
  if (auto begun = made->impl_->begin(*nodes); !begun)
    return begun.error();
  return made;
}

std::shared_ptr<actors::management_gateway> remote_gateway::gateway() const {
  return impl_->gateway_;
}

result<void> remote_gateway::wait_until_reachable(duration time_out,
                                                  bool all) const {
  std::vector<node_id> missing;
  const bool is_reachable
    = impl_->fault_->check()
      && (all ? impl_->view_->wait_for_all({}, time_out, missing)
              : impl_->view_->wait_for_any(time_out));
  if (auto sound = impl_->fault_->check(); !sound)
    return sound;
  if (is_reachable)
    return {};
  std::string names;
  for (const node_id& node : missing)
    names += (names.empty() ? "" : ", ") + node;
  std::string sentence = names.empty()
                           ? "No node of the cluster can be reached."
                           : "These nodes cannot be reached: " + names + ".";
  // A reason may be, for example, that an address belongs to another node.
  for (const peer_report& peer : impl_->peer_reports())
    if (!peer.is_up && !peer.why.empty())
      sentence += " " + peer.node + ": " + peer.why;
  return error{errc::unavailable, std::move(sentence)};
}

std::vector<reported_node> remote_gateway::reports() const {
  return impl_->cluster_query_->reports();
}

void remote_gateway::close() {
  impl_->close();
}

} // namespace perdura::cluster
