// SPDX-License-Identifier: Apache-2.0
/// Reads the state from which a partition recovers.
#pragma once

#include "persistence/stores/row_store.hpp"
#include "persistence/views/partition_snapshot.hpp"

#include <cstdint>
#include <map>

namespace perdura::persistence {

/// The content of the table of partitions, by partition. Each partition has a
/// row since the creation of the hub. One whose row cannot be read is left out:
/// it is not served, and its row is left as it is, so that the damage stays
/// visible.
using partition_metas = std::map<std::uint32_t, partition_meta>;

partition_metas read_partition_metas(const row_reader& rows);

/// Reads the state of a partition from the rows. A damaged row of an instance
/// or of a message is left out and named in `partition_snapshot::damage`. A row
/// of which one bit of the key is flipped is read under its original key.
/// @throws storage_exception  Another row is damaged: that of the partition, of
///                            a mark, or of a last sequence of an outbox.
partition_snapshot load_partition(const row_reader& rows,
                                  partition_id partition);

} // namespace perdura::persistence
