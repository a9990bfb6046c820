// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/hub_creation.hpp"

#include "cluster/placement/node_list.hpp"
#include "persistence/journal/lmdb_journal.hpp"
#include "persistence/records/clock.hpp"
#include "persistence/records/identity.hpp"
#include "persistence/records/text.hpp"

#include <algorithm>

namespace perdura::cluster {

using persistence::errc;
using persistence::error;
using persistence::hub_identity;
using persistence::result;

result<hub_identity> describe_hub(const node_config& config) {
  // The directory ID is random, so that the other nodes notice when the
  // directory is replaced by a new one with the same hub ID and node name.
  hub_identity hub;
  hub.hub_id = config.hub_id;
  hub.name = config.task_hub;
  hub.partition_count = config.partition_count;
  hub.created_at = persistence::system_clock().now();
  hub.directory_id = persistence::random_hex32();
  if (!hub.hub_id.empty() && !persistence::is_hex32(hub.hub_id))
    return error{errc::invalid_argument,
                 "\"" + hub.hub_id
                   + "\" is not a valid hub ID: a hub ID is 32 hex digits "
                     "(0-9, a-f)."};
  if (config.cluster.is_alone()) {
    if (hub.hub_id.empty())
      hub.hub_id = persistence::random_hex32();
    return hub;
  }
  // The nodes create their directories independently of each other, so a random
  // hub ID would differ on each node.
  if (hub.hub_id.empty())
    return error{errc::invalid_argument,
                 "A cluster needs hub.id: the same 32 hex digits in the "
                 "configuration of each node (`openssl rand -hex 16` prints "
                 "32 random ones)."};
  auto nodes = parse_nodes(config.cluster.nodes);
  if (!nodes)
    return nodes.error();
  // A hub is not created if the node could not listen with this configuration.
  if (auto address = listen_address_of(config.cluster); !address)
    return address.error();
  // Every node computes the same placement, because the result depends only on
  // the node list and the number of partitions.
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
  // A hub is created only if there is none. Any other error, such as a damaged
  // hub, must not lead to a new, empty hub.
  if (!hub && hub.code() == errc::storage_missing && config.create_hub)
    hub = create_hub(config);
  if (!hub)
    return hub.error();
  return check_hub(*hub, config);
}

// Each message names both what the directory holds and what is configured, so
// that an operator sees which of the two is wrong.
result<void> check_hub(const hub_identity& hub, const node_config& config) {
  const std::string where = config.data_dir.string();
  if (!config.hub_id.empty() && config.hub_id != hub.hub_id)
    return error{errc::storage_foreign, where + " holds the hub " + hub.hub_id
                                          + ", not " + config.hub_id + "."};
  if (hub.node != config.cluster.node)
    return error{errc::storage_foreign,
                 where + " holds the data of "
                   + (hub.node.empty() ? std::string("a node without a cluster")
                                       : "node \"" + hub.node + "\"")
                   + ", but this is "
                   + (config.cluster.is_alone()
                        ? std::string("a node without a cluster (cluster.node "
                                      "is not set)")
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
