// SPDX-License-Identifier: Apache-2.0
/// The errors of LMDB as storage_exceptions.
#pragma once

#include <perdura/persistence/stores/storage_space.hpp>

#include <cstdint>
#include <filesystem>

namespace perdura::persistence {

/// Throws the storage_exception for an error code of LMDB. `doing` names the
/// operation that failed.
[[noreturn]] void fail_lmdb(const std::filesystem::path& directory, int code,
                            const char* doing);

/// The exception for a transaction that the disk has no space for.
storage_exception no_space(const std::filesystem::path& directory,
                           std::uint64_t bytes);

} // namespace perdura::persistence
