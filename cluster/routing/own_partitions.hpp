/// The way to a node's own partitions: for who knows it, no router stands in
/// between.
#pragma once

#include "actors/interface/messages.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace perdura::cluster {

struct own_partitions {
  std::uint32_t partition_count = 0;

  /// By partition_id; those of other nodes are empty.
  std::vector<actors::partition_actor> by_id;

  /// What is durable of an instance, read on the caller's thread. Whatever has
  /// been acknowledged is durable, so this misses nothing that anybody knows.
  std::function<actors::management_answer(persistence::partition_id,
                                          const actors::get_status&)>
    read;
};

using own_partitions_ptr = std::shared_ptr<const own_partitions>;

} // namespace perdura::cluster
