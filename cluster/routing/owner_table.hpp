// SPDX-License-Identifier: Apache-2.0
/// The owner of each partition, as a router knows it.
#pragma once

#include "cluster/routing/router_peer.hpp"

#include <map>
#include <vector>

namespace perdura::cluster {

/// Maps an instance to its partition, and a partition to its owner. Empty in a
/// client until the first node has connected.
class owner_table {
public:
  using partition_function
    = persistence::partition_id (*)(const persistence::instance_id&,
                                    std::uint32_t);

  /// `self` is the name of this node; empty in a client and in a node without a
  /// cluster. A client owns no partition.
  owner_table(partition_function partition_of, node_id self, bool is_client)
    : partition_of_(partition_of),
      self_(std::move(self)),
      is_client_(is_client) {}

  /// Sets the placement, and the partitions of each peer in `nodes`. The table
  /// refers to these peers from now on. Called once.
  void set(placement owners, std::uint32_t partition_count,
           const std::map<node_id, peer_ptr>& nodes);

  /// True on a node; in a client after `set`.
  bool is_known() const {
    return !placement_.owners.empty();
  }

  const placement& owners() const {
    return placement_;
  }

  /// True if this node owns the partition.
  bool owns(persistence::partition_id partition) const;

  /// Null if the owner is this node or no known peer.
  router_peer* owner_of(persistence::partition_id partition) const;

  /// Partition 0 while the table is empty.
  persistence::partition_id
  partition_for(const persistence::instance_id& id) const;

private:
  partition_function partition_of_;
  node_id self_;
  bool is_client_;
  placement placement_;
  std::uint32_t partition_count_ = 0;
  std::vector<router_peer*> peers_; ///< By partition; see `owner_of`.
  std::vector<bool> is_local_;      ///< By partition; see `owns`.
};

} // namespace perdura::cluster
