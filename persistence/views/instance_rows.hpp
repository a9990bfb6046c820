// SPDX-License-Identifier: Apache-2.0
/// Reads the rows of one instance, and checks that none is missing. A damaged
/// key can hide a row from the search, but does not move it: the functions also
/// look at the rows around the place of a row that is not found.
///
/// All functions throw `storage_exception` if a row is damaged or missing.
#pragma once

#include "persistence/stores/row_store.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace perdura::persistence {

/// Reads the state of an instance; empty if it does not exist.
std::optional<stored_instance> read_instance(const row_reader& rows,
                                             partition_id partition,
                                             const instance_id& id);

/// Reads at most `count_max` events from event `first` on, and checks that the
/// rows contain as many events as the record of the instance states.
std::vector<history_event> read_whole_history(const row_reader& rows,
                                              partition_id partition,
                                              const instance_id& id,
                                              event_index first,
                                              std::size_t count_max);

/// Returns events of one instance from event `first` on, at most `count_max`.
/// Turns that are not in the rows yet are not included. The numbers of the
/// events must have no gap; their number is not compared with the record.
std::vector<history_event>
read_history(const row_reader& rows, partition_id partition,
             const instance_id& id, event_index first, std::size_t count_max);

/// Reads the custom status of an instance that has a record: JSON text, "null"
/// if there is none.
std::string read_custom_status(const row_reader& rows, partition_id partition,
                               const instance_id& id);

/// Checks that the history ends with the last event that the record counts.
/// Reads only the last row of the history.
void check_history_end(const row_reader& rows, partition_id partition,
                       const instance_id& id, event_index count);

} // namespace perdura::persistence
