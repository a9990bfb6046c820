// SPDX-License-Identifier: Apache-2.0
/// Verifies the complete content of a data directory, for `perdura check`.
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
  std::uint64_t pages = 0; ///< Pages of all environments: used, free and meta.
  bool is_in_use = false;  ///< A node was running on the directory.
  /// One sentence for each problem found, at most `problems_max` sentences;
  /// empty means that no damage was found.
  std::vector<std::string> problems;
};

/// Maximum number of problems that one verification lists; further problems are
/// left out.
inline constexpr std::size_t problems_max = 100;

/// Checks everything on which opening and reading the directory rely:
/// - each page of each environment: its structure, and that it is used exactly
///   once or free. Only if the pages of a lane are sound, LMDB reads them; so
///   damaged pages do not end the process;
/// - the hub and lane to which the views and the journal belong;
/// - the checksum and the type of every row, and that it is found by its key;
/// - every index row against the row that it refers to and the reverse, the
///   counts, and the numbering of history events;
/// - the journal's records, positions and partition sequences.
///
/// Writes nothing. If no node uses the directory, it is locked for reading. If
/// a node uses it, the check reads the state of one moment beside the node,
/// which cannot reuse the pages of this state meanwhile; what the journal and
/// the views contain is then not compared.
///
/// Damage is reported in `verification::problems`. An error is returned only
/// if the directory cannot be examined at all:
/// @error errc::storage_missing  The directory contains no hub.
/// @error errc::storage_format   The directory has another format number.
/// @error errc::storage_damaged  The file `hub` is damaged.
/// @error errc::storage_failed   A file cannot be opened.
/// @error errc::storage_in_use   This process has the directory open.
result<verification> verify_hub(const std::filesystem::path& directory,
                                const lmdb_map_sizes& map_bytes = {});

} // namespace perdura::persistence
