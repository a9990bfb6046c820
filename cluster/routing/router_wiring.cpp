#include "cluster/routing/router_wiring.hpp"

#include "cluster/placement/hub_creation.hpp"
#include "cluster/placement/partition_map.hpp"
#include "persistence/records/identity.hpp"

#include <chrono>
#include <future>
#include <utility>

namespace perdura::cluster {

std::uint64_t random_session() {
  return std::stoull(persistence::random_hex32().substr(0, 15), nullptr, 16)
         | 1U;
}

namespace {

router_config config_with(const cluster_config& cluster) {
  router_config made;
  made.partition_of = partition_of;
  made.times.heartbeat_interval = cluster.heartbeat_interval;
  made.times.silence_max = cluster.silence_max;
  made.request_time_max = cluster.request_time_max;
  made.random = random_session;
  return made;
}

} // namespace

router_config router_config_of(const persistence::hub_identity& hub,
                               const node_config& config) {
  router_config made = config_with(config.cluster);
  made.self.hub_id = hub.hub_id;
  made.self.partition_count = hub.partition_count;
  made.self.owners = placement_of(hub);
  made.self.node = config.cluster.node;
  made.self.directory = hub.directory_id;
  made.self.task_hub = hub.name;
  made.self.seed_compatible = config.compat_seed;
  for (const node_id& each : made.self.owners.nodes)
    if (each != made.self.node)
      made.peers.push_back(each);
  return made;
}

router_config client_router_config(const cluster_config& cluster,
                                   std::vector<node_id> nodes) {
  router_config made = config_with(cluster);
  made.is_client = true;
  made.peers = std::move(nodes);
  return made;
}

void ask_peer(const router_control_actor& router, const char* why_stopped,
              const node_id& node, question asked,
              question_fan::answer_callback answer) {
  if (!router) {
    answer(persistence::error{persistence::errc::shutting_down, why_stopped});
    return;
  }
  caf::anon_send(router,
                 peer_question{node, std::move(asked),
                               std::make_shared<question_fan::answer_callback>(
                                 std::move(answer))});
}

std::vector<peer_report> peers_of(const router_control_actor& router) {
  using reports = std::vector<peer_report>;
  const auto promise = std::make_shared<std::promise<reports>>();
  auto peers = promise->get_future();
  if (!router)
    return {};
  caf::anon_send(
    router, peers_request{std::make_shared<std::function<void(reports)>>(
              [promise](reports all) { promise->set_value(std::move(all)); })});
  // It may end with the question in its mailbox.
  if (peers.wait_for(std::chrono::seconds(1)) != std::future_status::ready)
    return {};
  return peers.get();
}

transport_listener listener_of(const router_control_actor& router) {
  transport_listener listener;
  listener.path_opened = [router](path_id path, const node_id& node) {
    caf::anon_send(router, path_note{path, node});
  };
  listener.path_closed = [router](path_id path) {
    caf::anon_send(router, path_note{path, {}});
  };
  listener.packet = [router](path_id from, std::string bytes) {
    caf::anon_send(router, packet_note{from, std::move(bytes)});
  };
  return listener;
}

} // namespace perdura::cluster
