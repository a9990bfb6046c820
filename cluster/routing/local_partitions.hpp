// SPDX-License-Identifier: Apache-2.0
/// Direct access to the partitions that this node owns, without the router.
#pragma once

#include "actors/interface/messages.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace perdura::cluster {

/// Immutable after its construction, so any thread may use it.
struct local_partitions {
  std::uint32_t partition_count = 0; ///< Partitions of the whole hub.

  /// The index is the partition_id. Null for partitions of other nodes.
  std::vector<actors::partition_actor> by_id;

  /// Reads the durable status of an instance from storage, on the caller's
  /// thread. Every change that was acknowledged to a client is durable, so the
  /// answer includes it.
  std::function<actors::management_answer(persistence::partition_id,
                                          const actors::get_status&)>
    read;
};

using local_partitions_ptr = std::shared_ptr<const local_partitions>;

} // namespace perdura::cluster
