// SPDX-License-Identifier: Apache-2.0
/// Reads the messages from one partition to others.
#pragma once

#include "persistence/stores/row_store.hpp"
#include "persistence/views/partition_snapshot.hpp"
#include "persistence/views/pending_layers.hpp"

namespace perdura::persistence {

/// Finds the oldest message of each destination, without reading the others.
/// @param lasts  The last sequence assigned, by destination.
std::vector<outbox_range>
find_outbox_ranges(const row_reader& rows, partition_id partition,
                   const std::vector<outbox_mark>& lasts);

/// Reads the messages of `range`, from the rows and the turns in memory; see
/// `state_reader::outbox`.
outbox_page read_outbox(const row_reader& rows, const pending_layers& pending,
                        partition_id partition, const outbox_range& range,
                        std::size_t bytes_max);

} // namespace perdura::persistence
