// SPDX-License-Identifier: Apache-2.0
/// Visits the pages of an LMDB data file without LMDB, and checks the
/// structure on which LMDB relies: page numbers, offsets, the order of keys,
/// and that each page of the file is used exactly once or free.
#pragma once

#include "persistence/stores/lmdb_file.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace perdura::persistence {

/// The result of a walk.
struct lmdb_walk_result {
  /// One sentence for each defect, with the number of the page; at most
  /// `lmdb_defects_max`.
  std::vector<std::string> defects;
  /// The named tables with a leaf page whose keys are not in order, if the
  /// order is not checked: a damaged key. A search in such a page can miss
  /// rows.
  std::vector<std::string> misordered;
  std::uint64_t pages_used = 0; ///< Pages of trees and values.
  std::uint64_t pages_free = 0;
};

inline constexpr std::size_t lmdb_defects_max = 100;

/// A file with at most this many pages is read completely when it is opened:
/// 4 GiB. The leaf pages and the values of a larger file are not read, so
/// that a start does not read all data; their number is compared.
inline constexpr std::uint64_t lmdb_pages_read_at_open_max = 1'048'576;

enum class lmdb_walk_depth : std::uint8_t {
  /// The meta page, the lists of free pages, and all branch pages. The number
  /// of all other pages is compared with the size of the file.
  branches,
  /// All pages. The order of the keys in the leaf pages of the named tables is
  /// not checked: a damaged key concerns one row, and LMDB can read the page.
  /// Only keys that show that a branch page is damaged are defects.
  pages,
  /// All pages, and the order of all keys.
  everything,
};

/// Walks the state `meta` of a file. No other process may write to the pages of
/// this state meanwhile.
lmdb_walk_result walk_lmdb_pages(const lmdb_file& file, const lmdb_meta& meta,
                                 lmdb_walk_depth depth);

} // namespace perdura::persistence
