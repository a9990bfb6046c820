/// One page over the instances of some partitions, at one moment.
#pragma once

#include "persistence/stores/row_store.hpp"
#include "persistence/views/queries.hpp"

namespace perdura::persistence {

/// A page costs at most this many index entries, so that a filter that fits
/// few instances gives a short page and a token, not a long read transaction.
inline constexpr std::size_t page_entries_max = 20'000;

/// A page ends early when its payloads reach this size.
inline constexpr std::size_t page_bytes_max = 8U << 20U;

struct scanned_page {
  std::vector<instance_row> rows;
  /// The last instance looked at, if others follow it.
  std::optional<page_position> stopped_at;
};

/// @throws storage_exception  A row is damaged.
scanned_page scan(const row_reader& rows,
                  const std::vector<partition_id>& partitions,
                  const instance_query& query,
                  const std::optional<page_position>& after);

/// Events `first` … of one instance, at most `count_max`, as the rows have
/// them.
std::vector<history_event>
read_history(const row_reader& rows, partition_id partition,
             const instance_id& id, event_index first, std::size_t count_max);

} // namespace perdura::persistence
