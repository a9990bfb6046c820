// SPDX-License-Identifier: Apache-2.0
/// The file that keeps space on the disk of a data directory.
#pragma once

#include <cstdint>
#include <filesystem>

namespace perdura::persistence {

/// The path of the reserve of a data directory.
std::filesystem::path reserve_file(const std::filesystem::path& directory);

/// The size of the reserve in bytes; 0 if there is none.
std::uint64_t reserve_bytes(const std::filesystem::path& directory);

/// Makes the reserve smaller by `bytes`, or empty if it has fewer.
/// @return True if it is smaller now.
bool shrink_reserve(const std::filesystem::path& directory,
                    std::uint64_t bytes);

} // namespace perdura::persistence
