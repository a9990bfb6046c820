#include "cluster/router_wiring.hpp"

#include "persistence/identity.hpp"

#include <utility>

namespace perdura::cluster {

std::uint64_t random_session() {
  return std::stoull(persistence::random_hex32().substr(0, 15), nullptr, 16)
         | 1U;
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
