// SPDX-License-Identifier: Apache-2.0
/// The placement: which node owns which partition. It is computed once, when
/// the hub is created, and stored on every node; from then on only the stored
/// placement counts.
#pragma once

#include <perdura/persistence/records/error.hpp>
#include <perdura/persistence/records/ids.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace perdura::persistence {
struct hub_identity;
} // namespace perdura::persistence

namespace perdura::cluster {

/// A node's name in the cluster, e.g. "node-1": 1 to 64 characters of a-z, 0-9,
/// - and _. Empty for a node without a cluster and for a client.
using node_id = std::string;

/// An owner for each partition of a hub. A value type: copies are independent.
struct placement {
  /// The nodes for which the hub was created, in the order of the node list at
  /// that time.
  std::vector<node_id> nodes;

  /// For each partition the index of its owner in `nodes`. Empty if the
  /// placement is not known yet (in a client).
  std::vector<std::uint32_t> owners;

  /// The node that owns `partition`, which must be below `owners.size()`. The
  /// reference is valid as long as this object is unchanged.
  const node_id& owner_of(persistence::partition_id partition) const;

  /// The partitions of `node`, in ascending order; empty if the node owns none
  /// or is not in `nodes`.
  std::vector<persistence::partition_id> owned_by(const node_id& node) const;

  bool operator==(const placement&) const = default;
};

/// Distributes partitions by rendezvous hashing with a cap: each partition goes
/// to the node with the highest hash of (node name, partition number) among the
/// nodes that do not own their full share yet. The numbers of partitions of any
/// two nodes differ by at most one. The result depends only on the arguments.
/// @error errc::invalid_argument  `nodes` is empty, holds a name twice, holds a
///                                name that is not valid, or is longer than
///                                `partition_count`.
persistence::result<placement> place(const std::vector<node_id>& nodes,
                                     std::uint32_t partition_count);

/// Checks that every node that owns partitions in `stored` is among the
/// configured ones. Further nodes are allowed; they own no partition.
/// @error errc::invalid_argument  A name is not valid or occurs twice, or an
///                                owner is missing; the message names the owner
///                                and its partitions.
persistence::result<void> check_nodes(const placement& stored,
                                      const std::vector<node_id>& configured);

/// The placement that is stored in the hub. In the hub of a node without a
/// cluster, one node with the name "" owns all partitions.
placement placement_of(const persistence::hub_identity& hub);

} // namespace perdura::cluster
