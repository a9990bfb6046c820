// SPDX-License-Identifier: Apache-2.0
/// Writes merged turns to the tables of the views, indexes and counts
/// included.
#pragma once

#include "persistence/stores/row_store.hpp"
#include "persistence/views/pending_layers.hpp"
#include "persistence/views/set_aside.hpp"
#include "persistence/views/views_load.hpp"

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
///
/// The changes of an instance that is set aside are stored as they are; see
/// set_aside.hpp.
class views_flush {
public:
  /// `applied` is the position of the last turn in `pending`. `set_aside` has
  /// the instances that are set aside already. `known` has what the rows of the
  /// partitions state, and follows what is committed; it must outlive the
  /// flush.
  views_flush(pending_layers pending, journal_position applied,
              set_aside_instances set_aside, partition_metas& known);

  /// Writes the next slice, at most `instances_max` instances. The last slice
  /// also stores the position `applied`.
  /// `note_commit` must follow the commit.
  /// @return True if this was the last slice.
  /// @throws storage_exception  A row that must be read is damaged. The caller
  ///   abandons the transaction and calls `set_aside_damaged`.
  bool slice(row_writer& rows, std::size_t instances_max);

  /// The slice has been committed.
  void note_commit();

  /// The next call of `slice` begins where the last one began. For a slice that
  /// was not committed.
  void repeat_slice();

  /// Sets the instances of the slice aside whose rows are damaged, after
  /// `slice` has failed. The next call of `slice` writes the same slice again.
  /// @param rows  A read transaction that shows the rows before the slice.
  /// @return False if no row of an instance is damaged, so that a repeat would
  ///         fail too.
  bool set_aside_damaged(const row_reader& rows, std::size_t instances_max);

  /// The instances that are set aside after the slices so far.
  const set_aside_instances& set_aside() const {
    return set_aside_;
  }

private:
  /// A place between two slices.
  struct place {
    std::size_t partition = 0; ///< Index in `partitions_`.
    std::size_t writes = 0;    ///< Instances of it that are written.
    std::size_t requests = 0;  ///< Answers of it that are written.
  };

  void merge_next();
  bool is_set_aside(const instance_id& id) const;

  const pending_layers pending_;
  const std::vector<partition_id> partitions_;
  std::size_t next_ = 0; ///< Index of the partition that comes next.
  place begin_;          ///< Where the newest slice began.
  /// The writes to that partition, and how many instances are written.
  pending_layers::merged_partition current_;
  std::size_t applied_writes_ = 0;
  std::size_t applied_requests_ = 0; ///< How many answers are written.
  const journal_position applied_;
  set_aside_instances set_aside_;
  partition_metas& known_;
  partition_metas changed_; ///< By the slice, which is not committed yet.
};

/// Writes the changes of one instance, with its indexes and counts.
/// @throws storage_exception  A row that must be read is damaged.
void write_instance(row_writer& rows, partition_id partition,
                    const instance_write& write);

/// Writes the first rows of a new store: format, hub, lane, applied position 0
/// and the `partition_meta` of each partition.
void write_initial_rows(
  row_writer& rows, const hub_identity& hub, std::uint32_t lane,
  std::uint32_t format,
  const std::vector<std::pair<partition_id, partition_meta>>& partitions);

} // namespace perdura::persistence
