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
#include "persistence/views/set_aside.hpp"

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

/// The state of one moment, from which a query is answered.
struct scan_source {
  const row_reader& rows;
  const pending_layers& pending;
  const set_aside_instances& set_aside;
};

/// Returns the page of the given partitions that begins after `after`. A
/// damaged instance is a row with an error; each row is compared with its
/// instance, and the instance with both indexes.
/// @throws storage_exception  The store cannot be read.
scanned_page scan(const scan_source& from,
                  const std::vector<partition_id>& partitions,
                  const instance_query& query,
                  const std::optional<page_position>& after);

/// Returns the stored count of a status. If its row is damaged, or absent
/// beside a damaged one, the rows of the index are counted.
/// @throws storage_exception  The store cannot be read.
std::uint64_t stored_count(const row_reader& rows, partition_id partition,
                           runtime_status status);

/// Returns the number of instances in each status, summed over the given
/// partitions. A damaged instance is counted with its stored status.
/// @throws storage_exception  A row is damaged.
status_counts count_instances(const row_reader& rows,
                              const pending_layers& pending,
                              const std::vector<partition_id>& partitions);

/// Returns the timers and scheduled starts that are due on the scale after
/// `after` and not after `until`. Damaged rows are logged and left out.
/// @throws storage_exception  The table cannot be read.
due_range find_due(const row_reader& rows, const pending_layers& pending,
                   partition_id partition, time_scale scale, timestamp after,
                   timestamp until);

} // namespace perdura::persistence
