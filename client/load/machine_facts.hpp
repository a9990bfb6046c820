// SPDX-License-Identifier: Apache-2.0
/// Describes the machine and the build of a measurement. Figures can be
/// compared only if both are known.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace perdura::client {

using named_facts = std::vector<std::pair<std::string, std::string>>;

/// The facts cpu, cores, kernel and file_system. file_system is the type of
/// the file system that holds `folder`; it is omitted if `folder` is empty.
named_facts machine_facts(const std::filesystem::path& folder);

/// The present time in ISO 8601, UTC, without fractions of a second.
std::string time_of_measurement();

/// The facts version, commit, compiler and build_type. The commit is the one
/// that was checked out when CMake ran last.
named_facts build_facts();

/// The type of the file system that holds a path, from the text of
/// /proc/self/mountinfo. Empty if no mount point in the text holds the path.
/// @source proc(5).
std::string file_system_of(std::string_view mountinfo, const std::string& path);

} // namespace perdura::client
