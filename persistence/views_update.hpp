/// Brings the tables up to date with folded turns, indexes and counts
/// included.
#pragma once

#include "persistence/pending_writes.hpp"
#include "persistence/row_store.hpp"

namespace perdura::persistence {

/// A history row holds at most about this much, so that reading one event
/// does not mean reading all.
inline constexpr std::size_t history_chunk_bytes_max = 256 * 1024;

/// Within one transaction, which the caller commits. What indexes hold is
/// derived from the rows that are there, never from what a turn says of them.
/// @throws storage_exception  A row that must be read is damaged.
void bring_up(row_writer& rows, const pending_writes& pending,
              journal_position applied);

/// The first rows of a store.
void initialise(
  row_writer& rows, const hub_identity& hub, std::uint32_t lane,
  std::uint32_t format,
  const std::vector<std::pair<partition_id, partition_meta>>& partitions);

} // namespace perdura::persistence
