// SPDX-License-Identifier: Apache-2.0
/// Creates files and directories that only their owner can access.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <sys/types.h>

#include <filesystem>
#include <string_view>

namespace perdura::client {

/// Creates a file with this text and mode. If writing fails, the file is
/// removed. A file that exists is never changed.
/// @error errc::storage_failed  The file exists, or cannot be written.
persistence::result<void> write_new_file(const std::filesystem::path& path,
                                         std::string_view text,
                                         mode_t mode = 0600);

/// Writes a new file with this mode and renames it to `path`, so that a reader
/// sees either the old text or the new one, never a part. The file is not
/// synced to the disk, so after a power failure it may be empty.
/// @error errc::storage_failed  The file cannot be written.
persistence::result<void> replace_file(const std::filesystem::path& path,
                                       std::string_view text,
                                       mode_t mode = 0600);

/// Creates a directory with mode 0700, and missing parents with the default
/// mode. A directory that exists is left unchanged.
/// @error errc::storage_failed  The directory cannot be created.
persistence::result<void>
make_private_directory(const std::filesystem::path& path);

} // namespace perdura::client
