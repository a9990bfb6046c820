#include "cluster/router_wiring.hpp"

#include "cluster/hub_creation.hpp"
#include "cluster/partition_map.hpp"
#include "persistence/identity.hpp"

#include <utility>

namespace perdura::cluster {

std::uint64_t random_session() {
  return std::stoull(persistence::random_hex32().substr(0, 15), nullptr, 16)
         | 1U;
}

void use_quiet_scheduler(caf::actor_system_config& system) {
  // Measured: three idle nodes of a cluster take 1.4 % of a core each instead
  // of 9.6 %, and a status 45 us of CPU instead of 54. One queue for all
  // threads ("sharing") takes 0.4 % idle, but 57 us a status.
  system.set("work-stealing.aggressive-poll-attempts", std::size_t{10});
  system.set("work-stealing.moderate-poll-attempts", std::size_t{1});
}

router_config router_config_of(const persistence::hub_identity& hub,
                               const node_config& config) {
  router_config made;
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
  made.partition_of = partition_of;
  made.times.heartbeat_interval = config.cluster.heartbeat_interval;
  made.times.silence_max = config.cluster.silence_max;
  made.request_time_max = config.cluster.request_time_max;
  made.random = random_session;
  return made;
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
