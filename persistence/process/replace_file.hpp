// SPDX-License-Identifier: Apache-2.0
/// Replacing and removing a small file durably.
#pragma once

#include <filesystem>
#include <string_view>
#include <system_error>

namespace perdura::persistence {

/// Creates or replaces the file, with mode 0600, so that after a crash it has
/// either its old content or `text`: writes `file` with ".new" appended, syncs
/// and renames it, and syncs the directory. If the disk has no space, it takes
/// some of the reserve in the same directory. Returns the reason of a failure;
/// the file then has one of the two contents. The caller ensures that no other
/// thread or process replaces the file at the same time.
std::error_code replace_file(const std::filesystem::path& file,
                             std::string_view text);

/// Removes the file, if there is one, and syncs the directory. Returns the
/// reason of a failure.
std::error_code remove_file(const std::filesystem::path& file);

} // namespace perdura::persistence
