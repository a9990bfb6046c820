/// Which partition an instance belongs to: fixed with the hub, for ever.
#pragma once

#include <perdura/persistence/records/ids.hpp>

#include <cstdint>

namespace perdura::cluster {

/// XXH3-64 of the ID's bytes, seed 0, modulo the number of partitions.
/// Golden vectors stand in tests/cluster/partition_map_test.cpp: changing this
/// loses every instance of every hub.
persistence::partition_id partition_of(const persistence::instance_id& id,
                                       std::uint32_t partition_count);

} // namespace perdura::cluster
