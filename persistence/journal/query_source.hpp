// SPDX-License-Identifier: Apache-2.0
/// Lists and counts instances over several partitions. Client queries, the
/// node's report and the retention rules read through this interface.
#pragma once

#include "persistence/views/queries.hpp"

#include <vector>

namespace perdura::persistence {

/// The durable instances of a hub. Each answer is complete for all turns that
/// are durable when the call begins. Neither function writes.
///
/// Thread-safe.
class query_source {
public:
  virtual ~query_source() = default;

  /// Returns one page of the instances of the given partitions, ordered by
  /// (created_at, instance ID).
  /// @error errc::invalid_argument  `query.top` is not 1 to `page_rows_max`,
  ///                                or `query.token` is not a token of this
  ///                                program.
  /// @error errc::storage_damaged   A row cannot be read.
  virtual result<instance_page>
  query(const std::vector<partition_id>& partitions,
        const instance_query& query) const = 0;

  /// Returns the number of instances in each status, summed over the given
  /// partitions.
  /// @error errc::storage_damaged  A row cannot be read.
  virtual result<status_counts>
  count(const std::vector<partition_id>& partitions) const = 0;
};

} // namespace perdura::persistence
