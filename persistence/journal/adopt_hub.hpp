// SPDX-License-Identifier: Apache-2.0
/// Adoption of a data directory: an operator decides that the directory stands
/// in for the newest one of its node, which is lost, and accepts the loss of
/// what it lacks. For a directory that was restored from an older copy, and for
/// one that was made anew.
#pragma once

#include "persistence/journal/hub_directory.hpp"
#include "persistence/stores/lmdb_store.hpp"

#include <filesystem>

namespace perdura::persistence {

/// Gives the directory a new `directory_id`, and each partition a new
/// incarnation. The partitions of the node get the partitions of all other
/// nodes as `partition_meta::unmatched`. The instances stay as they are. The
/// file `peers` is removed: other nodes must admit the directory again.
///
/// The file `hub.adopting` holds the new identity until the adoption is
/// complete. After an interruption at any point the journal refuses the
/// directory, and a repetition completes the adoption.
/// @param map_bytes  The sizes of the memory maps, as of
/// `lmdb_journal_options`.
/// @return The new identity; `adopted_at` is `now`, or later than that of an
///         earlier adoption.
/// @error errc::storage_in_use  A node uses the directory.
/// @error errc::shutting_down   `after_step` has ended the adoption.
/// @error the errors of open_lmdb_journal
result<hub_identity> adopt_hub(const std::filesystem::path& directory,
                               timestamp now,
                               const creation_hook& after_step = {},
                               const lmdb_map_sizes& map_bytes = {});

/// Writes the identity `next` of an adopted directory into the rows of a lane,
/// and adopts its partitions. The views contain all turns of the journal.
void adopt_rows(row_writer& rows, const hub_identity& next, std::uint32_t lane);

/// Checks that no adoption of the directory was interrupted.
/// @error errc::storage_foreign  An adoption was interrupted.
result<void> check_no_adoption(const std::filesystem::path& directory);

} // namespace perdura::persistence
