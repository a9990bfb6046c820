// SPDX-License-Identifier: Apache-2.0
/// Checks that the journal and the views of a lane are complete, belong to the
/// hub and lane, and fit together. Opening a directory and `perdura check` use
/// the same checks.
///
/// All functions report what they find as `storage_exception`.
#pragma once

#include "persistence/journal/hub_directory.hpp"
#include "persistence/stores/lmdb_store.hpp"
#include "persistence/stores/row_store.hpp"

#include <cstdint>
#include <filesystem>

namespace perdura::persistence {

/// Compares the two states that each environment of a lane contains: the state
/// with the higher transaction number must have the higher last position of the
/// journal, or the higher applied position of the views. Otherwise a damaged
/// number makes LMDB use the state before the last commit, and acknowledged
/// turns would be lost. To be called before LMDB opens the environments; no
/// process may write to them.
/// @throws storage_exception  errc::storage_damaged.
void check_newest_states(const std::filesystem::path& directory,
                         std::uint32_t lane);

/// Checks that the views were created for this hub and lane.
/// @throws storage_exception  errc::storage_foreign, errc::storage_format or
///                            errc::storage_damaged.
void check_views_owner(const row_reader& rows, const hub_file& hub,
                       std::uint32_t lane);

/// Checks that the journal was created for this hub and lane.
/// @return False if it has no header, which is allowed in format 1 only.
/// @throws storage_exception  errc::storage_foreign or errc::storage_damaged.
bool check_journal_owner(const lmdb_log& log, const hub_file& hub,
                         std::uint32_t lane);

/// Checks that a record was written for this hub. Records that were written
/// before format 3 do not state it.
/// @throws storage_exception  errc::storage_foreign.
void check_record_owner(const journal_record& record, const hub_identity& hub,
                        std::uint32_t lane);

/// Checks that the partitions in the journal are those of the lane, and that
/// their turns continue those in the views. Damaged records are left to the
/// recovery, which reports them.
/// @throws storage_exception  errc::storage_foreign.
void check_sequences(const record_log& log, const row_reader& rows,
                     const hub_identity& hub, std::uint32_t lane);

} // namespace perdura::persistence
