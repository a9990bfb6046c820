#include "cluster/routing/remote_gateway.hpp"

#include "cluster/node/management_urls.hpp"
#include "cluster/placement/node_list.hpp"
#include "cluster/placement/partition_map.hpp"
#include "cluster/routing/gateway_actor.hpp"
#include "cluster/routing/question_fan.hpp"
#include "cluster/routing/router_actor.hpp"
#include "cluster/routing/router_wiring.hpp"
#include "cluster/scheduling/actor_scheduler.hpp"
#include "cluster/transport/caf_transport.hpp"

#include <mutex>
#include <shared_mutex>

namespace perdura::cluster {

using namespace persistence;

namespace {

constexpr std::uint64_t client_door = 1;
constexpr const char* closed_sentence
  = "The gateway to the cluster has been closed.";

} // namespace

class remote_gateway::impl {
public:
  impl(cluster_config cluster,
       std::unique_ptr<caf::actor_system_config> caf_config)
    : cluster_(std::move(cluster)), caf_config_(std::move(caf_config)) {
    // It only carries messages; answers are handed on at once.
    use_sparing_scheduler(*caf_config_, 2);
    system_ = std::make_unique<caf::actor_system>(*caf_config_);
  }

  ~impl() {
    close();
  }

  result<void> begin(const std::vector<listed_node>& nodes);
  void close();

  /// How the nodes look from here; nothing once it is closed.
  std::vector<peer_report> ask_peers() const;

  cluster_config cluster_;
  std::shared_ptr<node_gateway> gateway_;
  std::shared_ptr<question_fan> fan_;
  std::shared_ptr<cluster_view> view_ = std::make_shared<cluster_view>();

private:
  /// What the gateway holds of it: it may outlive it.
  struct reach {
    std::shared_mutex mutex;
    router_control_actor router; ///< Null once it is closed.
  };

  void open_gateway();

  std::unique_ptr<caf::actor_system_config> caf_config_;
  std::unique_ptr<caf::actor_system> system_;
  std::shared_ptr<transport> transport_;
  std::shared_ptr<reach> reach_ = std::make_shared<reach>();
  router_control_actor router_;
  actors::gateway_actor door_;
  std::mutex close_mutex_;
  bool closed_ = false;
};

void remote_gateway::impl::open_gateway() {
  auto pending = std::make_shared<pending_requests>();
  door_ = system_->spawn(gateway_behavior, pending);
  caf::anon_send(router_, door_opened{client_door, door_});
  question_fan::surroundings fan;
  fan.view = view_;
  fan.ask = [way = reach_](const node_id& node, question asked,
                           question_fan::answer_callback answer) {
    const std::shared_lock lock(way->mutex);
    ask_peer(way->router, closed_sentence, node, std::move(asked),
             std::move(answer));
  };
  fan_ = std::make_shared<question_fan>(std::move(fan));
  gateway_surroundings around;
  around.router = router_;
  around.door = client_door;
  around.questions = fan_;
  // At the owner's door, if it has one; without a key's token.
  around.payload_of = [view = view_](const std::string& id) {
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
  around.is_seed_compatible = [view = view_] {
    const auto hello = view->any_hello();
    return hello && hello->seed_compatible;
  };
  gateway_
    = std::make_shared<node_gateway>(std::move(around), std::move(pending));
}

result<void>
remote_gateway::impl::begin(const std::vector<listed_node>& nodes) {
  router_surroundings around;
  around.met = [view = view_](const peer_hello& hello) { view->met(hello); };
  around.lost = [view = view_](const node_id& node) { view->lost(node); };
  router_ = system_->spawn(router_behavior,
                           client_router_config(cluster_, names_of(nodes)),
                           std::move(around));
  reach_->router = router_;
  open_gateway();
  caf_transport_config network;
  network.dial = nodes;
  network.tls = cluster_.has_tls();
  auto opened
    = open_caf_transport(*system_, std::move(network), listener_of(router_));
  if (!opened)
    return opened.error();
  transport_ = std::move(*opened);
  caf::anon_send(router_, transport_ready{transport_});
  return {};
}

std::vector<peer_report> remote_gateway::impl::ask_peers() const {
  const std::shared_lock lock(reach_->mutex);
  return peers_of(reach_->router);
}

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
    const std::unique_lock lock(reach_->mutex);
    reach_->router = nullptr;
  }
  if (router_) {
    caf::anon_send(router_, partitions_gone{});
    caf::anon_send_exit(router_, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(door_, caf::exit_reason::user_shutdown);
  }
  router_ = nullptr;
  door_ = nullptr;
  system_.reset(); // waits for its actors
}

// --- The door ----------------------------------------------------------------

remote_gateway::remote_gateway() = default;

remote_gateway::~remote_gateway() = default;

result<std::unique_ptr<remote_gateway>>
remote_gateway::open(const cluster_config& cluster) {
  auto nodes = parse_nodes(cluster.nodes);
  if (!nodes)
    return nodes.error();
  if (nodes->empty())
    return error{errc::invalid_argument,
                 "A gateway wants to know the cluster's nodes."};
  auto system = std::make_unique<caf::actor_system_config>();
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
  if (all ? impl_->view_->wait_for_all({}, time_out, missing)
          : impl_->view_->wait_for_any(time_out))
    return {};
  std::string names;
  for (const node_id& node : missing)
    names += (names.empty() ? "" : ", ") + node;
  std::string sentence = names.empty()
                           ? "No node of the cluster can be reached."
                           : "These nodes cannot be reached: " + names + ".";
  // What a wrong list does wrong, above all.
  for (const peer_report& peer : impl_->ask_peers())
    if (!peer.is_up && !peer.why.empty())
      sentence += " " + peer.node + ": " + peer.why;
  return error{errc::unavailable, std::move(sentence)};
}

std::vector<reported_node> remote_gateway::reports() const {
  return impl_->fan_->reports();
}

void remote_gateway::close() {
  impl_->close();
}

} // namespace perdura::cluster
