// SPDX-License-Identifier: Apache-2.0
#include "cluster/placement/partition_map.hpp"

#include <xxhash.h>

namespace perdura::cluster {

// The modulo favours low partitions by less than one part in 2^51, because
// there are at most 4096 partitions.
persistence::partition_id partition_of(const persistence::instance_id& id,
                                       std::uint32_t partition_count) {
  return static_cast<persistence::partition_id>(
    XXH3_64bits(id.data(), id.size()) % partition_count);
}

} // namespace perdura::cluster
