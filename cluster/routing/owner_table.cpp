// SPDX-License-Identifier: Apache-2.0
#include "cluster/routing/owner_table.hpp"

#include <utility>

namespace perdura::cluster {

using namespace persistence;

void owner_table::set(placement owners, std::uint32_t partition_count,
                      const std::map<node_id, peer_ptr>& nodes) {
  placement_ = std::move(owners);
  partition_count_ = partition_count;
  peers_.assign(placement_.owners.size(), nullptr);
  is_local_.assign(placement_.owners.size(), false);
  for (std::uint32_t i = 0; i < placement_.owners.size(); ++i) {
    const node_id& name = placement_.owner_of(partition_id{i});
    is_local_[i] = !is_client_ && name == self_;
    const auto found = nodes.find(name);
    if (is_local_[i] || found == nodes.end())
      continue;
    peers_[i] = found->second.get();
    found->second->partitions.push_back(partition_id{i});
  }
}

bool owner_table::owns(partition_id partition) const {
  return index_of(partition) < is_local_.size()
         && is_local_[index_of(partition)];
}

router_peer* owner_table::owner_of(partition_id partition) const {
  return index_of(partition) < peers_.size() ? peers_[index_of(partition)]
                                             : nullptr;
}

partition_id owner_table::partition_for(const instance_id& id) const {
  return partition_count_ == 0 ? partition_id{}
                               : partition_of_(id, partition_count_);
}

} // namespace perdura::cluster
