/// Which node owns which partition: decided once, when the hub is made, then
/// stored, and decisive from then on.
#pragma once

#include <perdura/persistence/records/error.hpp>
#include <perdura/persistence/records/ids.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace perdura::cluster {

/// A node's name in the cluster, e.g. "node-1": 1 to 64 of a-z, 0-9, - and _.
using node_id = std::string;

struct placement {
  std::vector<node_id> nodes;        ///< In the order of the hub's making.
  std::vector<std::uint32_t> owners; ///< By partition: an index into `nodes`.

  const node_id& owner_of(persistence::partition_id partition) const;
  std::vector<persistence::partition_id> owned_by(const node_id& node) const;

  bool operator==(const placement&) const = default;
};

/// Rendezvous hashing: a partition goes to the node whose name, hashed with
/// the partition's number, is highest, unless that has its share already.
/// Shares differ by at most one.
/// @error errc::invalid_argument  No node, one twice, a name of other letters,
///                                or more nodes than partitions.
persistence::result<placement> place(const std::vector<node_id>& nodes,
                                     std::uint32_t partition_count);

/// May these nodes serve what was placed so? All that own partitions must be
/// among them; new ones own none.
/// @error errc::invalid_argument  Names the missing node and its partitions.
persistence::result<void> check_nodes(const placement& stored,
                                      const std::vector<node_id>& configured);

} // namespace perdura::cluster
