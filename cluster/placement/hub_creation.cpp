#include "cluster/placement/hub_creation.hpp"

#include "cluster/placement/node_list.hpp"
#include "persistence/journal/lmdb_journal.hpp"
#include "persistence/records/clock.hpp"
#include "persistence/records/identity.hpp"

#include <algorithm>

namespace perdura::cluster {

using persistence::errc;
using persistence::error;
using persistence::hub_identity;
using persistence::result;

namespace {

bool is_hub_id(const std::string& text) {
  return text.size() == 32
         && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

} // namespace

result<hub_identity> describe_hub(const node_config& config) {
  hub_identity hub;
  hub.hub_id = config.hub_id;
  hub.name = config.task_hub;
  hub.partition_count = config.partition_count;
  hub.created_at = persistence::system_clock().now();
  hub.directory_id = persistence::random_hex32();
  if (!hub.hub_id.empty() && !is_hub_id(hub.hub_id))
    return error{errc::invalid_argument,
                 "\"" + hub.hub_id
                   + "\" is no ID of a hub: 32 hex digits (0-9, a-f) make "
                     "one."};
  if (config.cluster.is_alone()) {
    if (hub.hub_id.empty())
      hub.hub_id = persistence::random_hex32();
    return hub;
  }
  if (hub.hub_id.empty())
    return error{errc::invalid_argument,
                 "The nodes of a cluster make their hub with one ID: hub.id "
                 "in the configuration of each, 32 hex digits (`openssl rand "
                 "-hex 16` gives some)."};
  auto nodes = parse_nodes(config.cluster.nodes);
  if (!nodes)
    return nodes.error();
  if (auto address = listen_address_of(config.cluster); !address)
    return address.error();
  auto placed = place(names_of(*nodes), config.partition_count);
  if (!placed)
    return placed.error();
  hub.node = config.cluster.node;
  hub.nodes = placed->nodes;
  hub.owners = placed->owners;
  return hub;
}

result<hub_identity> create_hub(const node_config& config) {
  auto hub = describe_hub(config);
  if (!hub)
    return hub;
  if (auto made = persistence::create_hub(config.data_dir, *hub); !made)
    return made.error();
  return hub;
}

result<void> ensure_hub(const node_config& config) {
  auto hub = persistence::read_hub(config.data_dir);
  if (!hub && hub.code() == errc::storage_missing && config.create_hub)
    hub = create_hub(config);
  if (!hub)
    return hub.error();
  return check_hub(*hub, config);
}

placement placement_of(const hub_identity& hub) {
  if (!hub.nodes.empty())
    return {hub.nodes, hub.owners};
  return {{""}, std::vector<std::uint32_t>(hub.partition_count, 0)};
}

result<void> check_hub(const hub_identity& hub, const node_config& config) {
  const std::string where = config.data_dir.string();
  if (!config.hub_id.empty() && config.hub_id != hub.hub_id)
    return error{errc::storage_foreign, where + " holds the hub " + hub.hub_id
                                          + ", not " + config.hub_id + "."};
  if (hub.node != config.cluster.node)
    return error{errc::storage_foreign,
                 where + " holds the data of "
                   + (hub.node.empty() ? std::string("a node alone")
                                       : "node \"" + hub.node + "\"")
                   + ", and this is "
                   + (config.cluster.is_alone()
                        ? std::string("one (cluster.node is not set)")
                        : "node \"" + config.cluster.node + "\"")
                   + "."};
  if (config.cluster.is_alone())
    return {};
  auto nodes = parse_nodes(config.cluster.nodes);
  if (!nodes)
    return nodes.error();
  return check_nodes(placement_of(hub), names_of(*nodes));
}

} // namespace perdura::cluster
