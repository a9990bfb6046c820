// SPDX-License-Identifier: Apache-2.0
/// Returns the free pages inside the data files of a stopped node to the disk.
#pragma once

#include "persistence/journal/hub_directory.hpp"
#include "persistence/stores/lmdb_store.hpp"

#include <cstdint>
#include <filesystem>

namespace perdura::persistence {

/// The space that the data files take on the disk, in bytes.
struct compaction {
  std::uint64_t bytes_before = 0;
  std::uint64_t bytes_after = 0;
};

/// Copies the journal and the views of each lane without their free pages, one
/// file after another. Each copy is checked and synced before it replaces the
/// file by a rename, so the directory can be used at any moment at which the
/// compaction ends. The next compaction removes the rest of an interrupted one.
///
/// The disk needs space for a copy of the largest file without its free pages.
/// If there is too little, the disk reserve is removed; the next start of a
/// node allocates it again.
///
/// @param after_step  For tests: called after each change of the file system;
///                    see `creation_hook`.
/// @error errc::storage_in_use   A node, or another command, uses the
/// directory.
/// @error errc::storage_full     The disk has no space for a copy. The files
///                               that were replaced before stay replaced.
/// @error errc::storage_damaged  A page of a file is damaged; the file is not
///                               replaced.
/// @error errc::storage_missing, storage_format, storage_failed  As
///                               `open_lmdb_journal`.
/// @error errc::shutting_down    `after_step` has ended the compaction.
result<compaction> compact_hub(const std::filesystem::path& directory,
                               const lmdb_map_sizes& map_bytes = {},
                               const creation_hook& after_step = {});

} // namespace perdura::persistence
