// SPDX-License-Identifier: Apache-2.0
/// Describes the content of a data directory of the first release as JSON.
///
/// Uses the headers of commit 4957661; see ../README.md. Do not adapt it to
/// newer code.
#pragma once

#include <nlohmann/json.hpp>

#include <filesystem>

namespace perdura::golden {

/// Opens and changes the directory, because opening flushes the views: use a
/// copy.
/// @throws std::exception  The directory cannot be read, or is not sound.
nlohmann::ordered_json describe(const std::filesystem::path& directory);

} // namespace perdura::golden
