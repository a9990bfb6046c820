// SPDX-License-Identifier: Apache-2.0
/// Creates the hub in a node's data directory, and checks that an existing hub
/// fits the configuration. Both apply to a node without a cluster and to each
/// node of a cluster.
#pragma once

#include "cluster/node/node_config.hpp"
#include "cluster/placement/placement.hpp"
#include "persistence/records/records.hpp"

namespace perdura::cluster {

/// The identity of a new hub according to the configuration; writes nothing.
/// A node without a cluster gets a random hub ID if `config.hub_id` is empty.
/// In a cluster the result holds the placement of the partitions. The directory
/// ID is random, and the creation time is the time of the call.
/// @error errc::invalid_argument  `hub_id` is not 32 hex digits, or is empty in
///                                a cluster; the node list, the listening
///                                address or the TLS files are not valid.
persistence::result<persistence::hub_identity>
describe_hub(const node_config& config);

/// Creates the hub in `config.data_dir`, which must be empty or absent. Returns
/// the identity that was written.
/// @error the errors of describe_hub and of persistence::create_hub
persistence::result<persistence::hub_identity>
create_hub(const node_config& config);

/// Checks that `config.data_dir` holds a hub that this configuration may serve.
/// Creates the hub first if there is none and `config.create_hub` is set.
/// @error errc::storage_missing  There is no hub, and `create_hub` is not set.
/// @error the errors of create_hub, persistence::read_hub and check_hub
persistence::result<void> ensure_hub(const node_config& config);

/// Checks that the configured hub ID (if any), node name and node list are
/// those with which the hub was created. Addresses may differ.
/// @error errc::storage_foreign   The directory belongs to another hub or to
///                                another node.
/// @error errc::invalid_argument  The node list is not valid, or a node that
///                                owns partitions is missing; the message names
///                                the node and its partitions.
persistence::result<void> check_hub(const persistence::hub_identity& hub,
                                    const node_config& config);

} // namespace perdura::cluster
