/// What was measured, and on what: without it no figure can be compared.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace perdura::client {

using named_facts = std::vector<std::pair<std::string, std::string>>;

/// cpu, cores, kernel, file_system (that of the folder; left out if empty).
named_facts machine_facts(const std::filesystem::path& folder);

/// version, commit (as of the last run of CMake), compiler, build_type.
named_facts build_facts();

/// The type of the file system that holds a path, from the text of
/// /proc/self/mountinfo; empty if it cannot be told.
std::string file_system_of(std::string_view mountinfo, const std::string& path);

} // namespace perdura::client
