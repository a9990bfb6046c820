// SPDX-License-Identifier: Apache-2.0
/// What precedes the opening of an LMDB environment: the checks of its data
/// file without LMDB, and the list of the environments that are open.
#pragma once

#include "persistence/stores/lmdb_file.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace perdura::persistence {

/// Opens a data file for the checks before LMDB maps it.
/// @param misordered  Unless null, gets the names of the tables with keys out
/// of
///                    order.
/// @error As `lmdb_file::open`.
/// @error errc::storage_damaged  A page is damaged, or the file is too short.
result<std::unique_ptr<lmdb_file>>
open_checked_file(const std::filesystem::path& path,
                  std::vector<std::string>* misordered = nullptr);

/// Extends the file by pages of zeros behind its last page, so that a damaged
/// number does not make LMDB read beyond its end. Failures are logged.
void extend_file(const lmdb_file& file);

/// Registers an environment of this process: LMDB does not detect that one
/// process opens an environment twice, and closing one of the two would release
/// the file locks of both. `name` has the process ID, because a child process
/// has its parent's list but not its locks. Thread-safe.
/// @return False if the environment is registered already.
bool enter_open_environments(const std::string& name);

/// Removes a registered environment. Thread-safe.
void leave_open_environments(const std::string& name);

} // namespace perdura::persistence
