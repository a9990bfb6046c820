// SPDX-License-Identifier: Apache-2.0
/// Answers queries from the rows and from the turns in memory that the rows do
/// not contain yet. The rows may contain a part of the oldest of these turns
/// already, because a flush writes them in several transactions. Nothing is
/// written.
#pragma once

#include "persistence/stores/row_store.hpp"
#include "persistence/views/partition_snapshot.hpp"
#include "persistence/views/pending_layers.hpp"
#include "persistence/views/queries.hpp"

namespace perdura::persistence {

/// Limit of the work for one page, in index entries: examining an index entry
/// costs 1, and reading an instance's record costs 5 more. If few instances
/// pass the filter, the page is therefore short and has a token for the next
/// page, and no read transaction stays open for long.
inline constexpr std::size_t page_entries_max = 20'000;

/// A page ends early when its inputs and outputs reach this size in bytes.
inline constexpr std::size_t page_bytes_max = 8U << 20U;

/// The part of a page that one lane contributes.
struct scanned_page {
  std::vector<instance_row> rows;
  /// The last instance examined; empty if no instance follows it.
  std::optional<page_position> stopped_at;
};

/// Returns the page of the given partitions that begins after `after`. A
/// damaged instance is a row with an error; each row is compared with its
/// instance, and the instance with both indexes.
/// @throws storage_exception  The store cannot be read.
scanned_page scan(const row_reader& rows, const pending_layers& pending,
                  const std::vector<partition_id>& partitions,
                  const instance_query& query,
                  const std::optional<page_position>& after);

/// Returns the number of instances in each status, summed over the given
/// partitions.
/// @throws storage_exception  A row is damaged.
status_counts count_instances(const row_reader& rows,
                              const pending_layers& pending,
                              const std::vector<partition_id>& partitions);

/// Returns the timers and scheduled starts with `after` < fire_at ≤ `until`, in
/// the order of fire_at.
/// @throws storage_exception  A row is damaged.
std::vector<due_task> find_due(const row_reader& rows,
                               const pending_layers& pending,
                               partition_id partition, timestamp after,
                               timestamp until);

/// Returns events of one instance from event `first` on, at most `count_max`.
/// Turns that are not in the rows yet are not included.
/// @throws storage_exception A row is damaged, or the numbers of the events
///   have a gap.
std::vector<history_event>
read_history(const row_reader& rows, partition_id partition,
             const instance_id& id, event_index first, std::size_t count_max);

} // namespace perdura::persistence
