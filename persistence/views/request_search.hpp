// SPDX-License-Identifier: Apache-2.0
/// Searches and counts the rows of answers to requests.
#pragma once

#include "persistence/stores/row_store.hpp"

#include <optional>
#include <vector>

namespace perdura::persistence {

/// Returns the answer that is stored under the key in the newest of the
/// windows. `windows` is in ascending order.
/// @throws storage_exception  The row is damaged, or a damaged row beside the
///                            place of the key may be the one that is searched.
std::optional<request_row>
find_request(const row_reader& rows, partition_id partition,
             const std::vector<request_window>& windows, const hash128& key);

/// The windows of a partition. The sizes are those of `table::request_counts`;
/// a window whose row is damaged or missing is counted.
/// @throws storage_exception  A table cannot be read.
request_windows read_request_windows(const row_reader& rows,
                                     partition_id partition);

} // namespace perdura::persistence
