// SPDX-License-Identifier: Apache-2.0
/// Recorded runs for the campaign of power failures. Each function works on a
/// new directory, checks that the replay of its record equals the files, and
/// returns the run.
#pragma once

#include "campaigns/power_images.hpp"

#include <cstdint>
#include <filesystem>
#include <string>

namespace perdura::tests {

/// Random turns on the hub in DIRECTORY/hub, with flushes, orderly ends and
/// kills. With `from_creation`, the record begins before the hub is created.
power_run record_lane(const std::filesystem::path& directory,
                      std::uint64_t seed, std::uint32_t lanes,
                      bool from_creation);

/// A directory of the first release is opened, which raises its format.
/// @param golden  Its name below tests/golden.
power_run record_raised_format(const std::filesystem::path& directory,
                               const std::string& golden);

/// Nodes are admitted, and their directories recorded in the file `peers`.
power_run record_peers(const std::filesystem::path& directory);

} // namespace perdura::tests
