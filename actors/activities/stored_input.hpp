// SPDX-License-Identifier: Apache-2.0
/// Reads the input of an activity from the history of its instance.
#pragma once

#include "actors/interface/work_item.hpp"
#include "persistence/journal/state_reader.hpp"

#include <string>

namespace perdura::actors {

/// Returns the input of the activity. Blocks. Thread-safe.
/// @error errc::not_found        The instance has been purged, or has begun
///                               another execution.
/// @error errc::storage_damaged  A row cannot be read.
persistence::result<std::string>
stored_input(const persistence::state_reader& reader,
             const activity_work_item& item);

/// Gives the item its input. It stays in memory from now on, also when a queue
/// is full.
void put_input(activity_work_item& item, std::string input);

} // namespace perdura::actors
