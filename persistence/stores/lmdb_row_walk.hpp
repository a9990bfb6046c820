// SPDX-License-Identifier: Apache-2.0
/// Reads all rows of a table without LMDB, also from a file in which pages are
/// damaged.
#pragma once

#include "persistence/stores/lmdb_file.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace perdura::persistence {

/// The functions that walk_lmdb_rows calls.
struct lmdb_row_visitor {
  /// A row, in the order of the pages. Both texts are valid during the call.
  std::function<void(std::string_view key, std::string_view value)> row;
  /// A page that cannot be read: all rows in it, or below it, are left out. The
  /// sentence names the page.
  std::function<void(const std::string& sentence)> defect;
};

/// Visits all rows of a tree of the file's newest state. No process may write
/// to the file meanwhile.
void walk_lmdb_rows(const lmdb_file& file, const lmdb_tree& tree,
                    const lmdb_row_visitor& visitor);

} // namespace perdura::persistence
