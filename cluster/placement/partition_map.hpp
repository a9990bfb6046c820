// SPDX-License-Identifier: Apache-2.0
/// Maps an instance ID to its partition. The mapping does not change during the
/// life of a hub.
#pragma once

#include <perdura/persistence/records/ids.hpp>

#include <cstdint>

namespace perdura::cluster {

/// XXH3-64 of the bytes of the ID, with seed 0, modulo `partition_count` (at
/// least 1). If the function changed, stored instances would not be found any
/// more: the golden vectors in tests/cluster/partition_map_test.cpp keep the
/// function fixed.
persistence::partition_id partition_of(const persistence::instance_id& id,
                                       std::uint32_t partition_count);

} // namespace perdura::cluster
