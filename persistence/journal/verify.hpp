// SPDX-License-Identifier: Apache-2.0
/// Verifies the complete content of a data directory, for `perdura check`.
/// Damage in LMDB's own page structure can end the process, so the caller
/// runs `verify_hub` in a child process.
#pragma once

#include "persistence/records/error.hpp"
#include "persistence/stores/lmdb_store.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace perdura::persistence {

/// The result of a verification: how much was read, and what is wrong.
struct verification {
  std::uint64_t instances = 0; ///< Instances found in the views.
  std::uint64_t rows = 0;      ///< Rows read, of all tables.
  std::uint64_t records = 0;   ///< Journal records read.
  /// One sentence for each problem found, at most `problems_max` sentences;
  /// empty means that no damage was found.
  std::vector<std::string> problems;
};

/// Maximum number of problems that one verification lists; further problems are
/// left out.
inline constexpr std::size_t problems_max = 100;

/// Checks the checksum and the type of every row, compares every index row
/// with the row that it refers to, and checks the counts, the numbering of
/// history events, and the journal's records, positions and partition
/// sequences. The directory is locked during the verification. Stored data is
/// not changed.
///
/// Damage is reported in `verification::problems`. An error is returned only
/// if the directory cannot be examined at all:
/// @error errc::storage_missing  The directory contains no hub.
/// @error errc::storage_format   The directory has another format number.
/// @error errc::storage_damaged  The file `hub` is damaged.
/// @error errc::storage_in_use   Another process uses the directory.
result<verification> verify_hub(const std::filesystem::path& directory,
                                const lmdb_map_sizes& map_bytes = {});

} // namespace perdura::persistence
