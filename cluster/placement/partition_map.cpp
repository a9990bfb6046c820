#include "cluster/placement/partition_map.hpp"

#include <xxhash.h>

namespace perdura::cluster {

persistence::partition_id partition_of(const persistence::instance_id& id,
                                       std::uint32_t partition_count) {
  return static_cast<persistence::partition_id>(
    XXH3_64bits(id.data(), id.size()) % partition_count);
}

} // namespace perdura::cluster
