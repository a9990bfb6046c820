// SPDX-License-Identifier: Apache-2.0
#include "cluster/routing/router_wiring.hpp"

#include "cluster/placement/partition_map.hpp"
#include "persistence/records/identity.hpp"
#include "persistence/records/records.hpp"
#include <perdura/persistence/records/time_arithmetic.hpp>

#include <chrono>
#include <future>
#include <utility>

namespace perdura::cluster {

// The number has 60 bits. All are random except the lowest, which is always
// set, so that the number is not 0.
std::uint64_t random_session_number() {
  return std::stoull(persistence::random_hex32().substr(0, 15), nullptr, 16)
         | 1U;
}

namespace {

/// The settings that nodes and clients have in common.
router_config base_router_config(const cluster_config& cluster) {
  router_config made;
  made.partition_of = partition_of;
  made.times.heartbeat_interval
    = persistence::bounded_wait(cluster.heartbeat_interval);
  made.times.silence_max = persistence::bounded_wait(cluster.silence_max);
  made.request_time_max = persistence::bounded_wait(cluster.request_time_max);
  made.random = random_session_number;
  return made;
}

} // namespace

router_config router_config_of(const persistence::hub_identity& hub,
                               const cluster_config& cluster) {
  router_config made = base_router_config(cluster);
  made.self.hub_id = hub.hub_id;
  made.self.partition_count = hub.partition_count;
  made.self.owners = placement_of(hub);
  made.self.node = cluster.node;
  made.self.directory = hub.directory_id;
  made.self.adopted_at = hub.adopted_at;
  made.self.task_hub = hub.name;
  // The peers are the nodes of the stored placement. A node that was added to
  // the configured list later owns no partition, and is not a peer.
  for (const node_id& each : made.self.owners.nodes)
    if (each != made.self.node)
      made.peers.push_back(each);
  return made;
}

router_config client_router_config(const cluster_config& cluster,
                                   std::vector<node_id> nodes) {
  // `self` stays empty except for the wire format: a client accepts any hub.
  router_config made = base_router_config(cluster);
  made.is_client = true;
  made.peers = std::move(nodes);
  return made;
}

void query_peer(const router_control_actor& router, const char* why_stopped,
                const node_id& node, node_query query,
                node_query_callback answer) {
  if (!router) {
    answer(persistence::error{persistence::errc::shutting_down, why_stopped});
    return;
  }
  caf::anon_send(router,
                 peer_query_request{
                   node, std::move(query),
                   std::make_shared<node_query_callback>(std::move(answer))});
}

std::vector<peer_report>
query_peer_reports(const router_control_actor& router) {
  // The promise is shared, because the answer may come after the time-out.
  using reports = std::vector<peer_report>;
  const auto promise = std::make_shared<std::promise<reports>>();
  auto peers = promise->get_future();
  if (!router)
    return {};
  caf::anon_send(
    router, peers_request{std::make_shared<std::function<void(reports)>>(
              [promise](reports all) { promise->set_value(std::move(all)); })});
  // A router that ends does not answer the messages that are left in its
  // mailbox, so the wait needs a time-out.
  if (peers.wait_for(std::chrono::seconds(1)) != std::future_status::ready)
    return {};
  return peers.get();
}

transport_listener make_transport_listener(const router_control_actor& router) {
  // An empty `opened_to` in a path_event means that the path has closed.
  transport_listener listener;
  listener.path_opened = [router](path_id path, const node_id& node) {
    caf::anon_send(router, path_event{path, node});
  };
  listener.path_closed = [router](path_id path) {
    caf::anon_send(router, path_event{path, {}});
  };
  listener.path_certified = [router](path_id path, peer_certificate has) {
    caf::anon_send(router, path_certified{path, std::move(has)});
  };
  listener.packet = [router](path_id from, std::string bytes) {
    caf::anon_send(router, packet_received{from, std::move(bytes)});
  };
  return listener;
}

} // namespace perdura::cluster
