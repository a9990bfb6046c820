// SPDX-License-Identifier: Apache-2.0
/// Whole files as bytes, for tests that damage and compare them.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace perdura::persistence::testing {

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_file(const std::filesystem::path& path,
                       const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << bytes;
}

} // namespace perdura::persistence::testing
