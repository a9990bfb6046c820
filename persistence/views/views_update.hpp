/// Brings the tables up to date with folded turns, indexes and counts
/// included.
#pragma once

#include "persistence/stores/row_store.hpp"
#include "persistence/views/pending_writes.hpp"

#include <map>
#include <vector>

namespace perdura::persistence {

/// A history row holds at most about this much, so that reading one event
/// does not mean reading all.
inline constexpr std::size_t history_chunk_bytes_max = 256 * 1024;

/// A flush, in slices: each is one transaction of the caller's, so that none
/// holds the disk for long. What indexes hold is derived from the rows that are
/// there, never from what a turn says of them: after a crash between two slices
/// all of it is done again, and changes nothing more where it was done.
class bringing_up {
public:
  /// `pending` must outlive it.
  bringing_up(const pending_writes& pending, journal_position applied);

  /// At most so many instances; true when that was all, and the rows say that
  /// they have reached `applied`.
  /// @throws storage_exception  A row that must be read is damaged.
  bool slice(row_writer& rows, std::size_t instances_max);

private:
  void sort_writes();

  const std::map<std::uint32_t, pending_partition>& partitions_;
  std::map<std::uint32_t, pending_partition>::const_iterator next_;
  std::vector<const instance_write*> writes_; ///< Of the next partition.
  std::size_t written_ = 0;                   ///< Of them.
  const journal_position applied_;
};

/// The first rows of a store.
void initialise(
  row_writer& rows, const hub_identity& hub, std::uint32_t lane,
  std::uint32_t format,
  const std::vector<std::pair<partition_id, partition_meta>>& partitions);

} // namespace perdura::persistence
