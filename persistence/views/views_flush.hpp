// SPDX-License-Identifier: Apache-2.0
/// Writes merged turns to the tables of the views, indexes and counts
/// included.
#pragma once

#include "persistence/stores/row_store.hpp"
#include "persistence/views/pending_layers.hpp"

#include <vector>

namespace perdura::persistence {

/// Approximate size limit of a row with history events, so that reading one
/// event does not require reading the whole history. A single event that is
/// larger gets a row of its own.
inline constexpr std::size_t history_chunk_bytes_max = 256 * 1024;

/// One flush, divided into slices. The caller runs each slice in a transaction
/// of its own, so that no transaction occupies the disk for long.
///
/// Changes to index rows are derived by comparing the stored rows with the new
/// ones, never from the turn alone. Slices are therefore idempotent: after a
/// crash between two slices the whole flush is repeated, and the slices that
/// were already committed change nothing.
class views_flush {
public:
  /// `applied` is the position of the last turn in `pending`.
  views_flush(pending_layers pending, journal_position applied);

  /// Writes the next slice, at most `instances_max` instances. The last slice
  /// also stores the position `applied`.
  /// @return True if this was the last slice.
  /// @throws storage_exception  A row that must be read is damaged.
  bool slice(row_writer& rows, std::size_t instances_max);

private:
  void merge_next();

  const pending_layers pending_;
  const std::vector<partition_id> partitions_;
  std::size_t next_ = 0; ///< Index of the partition that comes next.
  /// The writes to that partition, and how many instances are written.
  pending_layers::merged_partition current_;
  std::size_t applied_writes_ = 0;
  const journal_position applied_;
};

/// Writes the first rows of a new store: format, hub, lane, applied position 0
/// and the `partition_meta` of each partition.
void write_initial_rows(
  row_writer& rows, const hub_identity& hub, std::uint32_t lane,
  std::uint32_t format,
  const std::vector<std::pair<partition_id, partition_meta>>& partitions);

} // namespace perdura::persistence
