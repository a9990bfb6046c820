/// Makes the hub in a node's data directory, alone or as one of a cluster.
#pragma once

#include "cluster/node/node_config.hpp"
#include "cluster/placement/placement.hpp"
#include "persistence/records/records.hpp"

namespace perdura::cluster {

/// The hub that the configuration describes: with a random ID if it names none
/// and the node is alone; in a cluster, with its partitions placed.
/// @error errc::invalid_argument  No `hub_id` in a cluster, or one that is not
///                                32 hex digits; a node list that cannot be.
persistence::result<persistence::hub_identity>
describe_hub(const node_config& config);

/// Makes it in `config.data_dir`, which must be empty or not there.
/// @error as describe_hub and persistence::create_hub
persistence::result<persistence::hub_identity>
create_hub(const node_config& config);

/// Is there a hub in `config.data_dir` that may be served so? Makes it first if
/// there is none and `config.create_hub` is set.
/// @error as create_hub, persistence::read_hub and check_hub
persistence::result<void> ensure_hub(const node_config& config);

/// The placement that is stored in a hub; all on one node "" if it is alone.
placement placement_of(const persistence::hub_identity& hub);

/// May the node be started so? Its name, hub and nodes must be those with
/// which the hub was made.
/// @error errc::storage_foreign   Another hub's directory, or another node's.
/// @error errc::invalid_argument  A list that would move partitions; names
///                                them.
persistence::result<void> check_hub(const persistence::hub_identity& hub,
                                    const node_config& config);

} // namespace perdura::cluster
