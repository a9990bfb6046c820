// SPDX-License-Identifier: Apache-2.0
/// Writes the views of a data directory anew from the rows that can be read,
/// for `perdura check --rebuild-views`.
#pragma once

#include "persistence/records/error.hpp"
#include "persistence/stores/lmdb_store.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace perdura::persistence {

/// The result of a rebuild.
struct views_rebuild {
  std::uint64_t instances = 0; ///< Instances with a record.
  std::uint64_t rows = 0;      ///< Rows that were taken over.
  std::uint64_t repaired = 0;  ///< Rows in which one flipped bit was set back.
  /// One sentence for each row, page or instance that could not be restored, at
  /// most `rebuild_losses_max`.
  std::vector<std::string> losses;
  std::uint64_t loss_count = 0; ///< All losses, those not listed included.
};

inline constexpr std::size_t rebuild_losses_max = 1'000;

/// Makes the indexes and counts of each lane anew from the rows of the
/// instances, and takes over the other tables.
///
/// A row whose checksum does not match is repaired if one flipped bit explains
/// it. Otherwise it is taken over as it is if its key belongs to the instance
/// whose rows surround it, so that reads of this instance report the damage and
/// never leave the row out; else it is lost and listed.
///
/// The new file is written beside the old one and takes its name when it is
/// complete and synced; the old one is kept as `data.mdb.damaged` (with a
/// number if that exists). If the rebuild is interrupted, the old file is still
/// in place. The directory is locked.
/// @error errc::storage_in_use   A node uses the directory.
/// @error errc::storage_missing  The directory contains no hub.
/// @error errc::storage_format   The directory has another format number.
/// @error errc::storage_damaged  The file `hub`, or a row that the instances do
///                               not determine (format, applied position,
///                               partitions, marks), cannot be read. Nothing
///                               was changed.
/// @error errc::storage_failed   A file cannot be written.
result<views_rebuild> rebuild_views(const std::filesystem::path& directory,
                                    const lmdb_map_sizes& map_bytes = {});

} // namespace perdura::persistence
