/// Files and directories that are for their owner alone.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <sys/types.h>

#include <filesystem>
#include <string_view>

namespace perdura::client {

/// Makes it with this mode; nothing of it is left if that fails.
/// @error errc::storage_failed  Also: it is there already.
persistence::result<void> write_new_file(const std::filesystem::path& path,
                                         std::string_view text,
                                         mode_t mode = 0600);

/// Puts it in the place of what is there, with mode 0600, whole or not at all.
/// @error errc::storage_failed
persistence::result<void> replace_file(const std::filesystem::path& path,
                                       std::string_view text);

/// Mode 0700; those above it as usual. One that is there is left as it is.
/// @error errc::storage_failed
persistence::result<void>
make_private_directory(const std::filesystem::path& path);

} // namespace perdura::client
