// SPDX-License-Identifier: Apache-2.0
/// How much memory, threads, descriptors and disk a process uses, and whether
/// that grows.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace perdura::tests {

struct resource_use {
  std::uint64_t memory_bytes = 0; ///< Resident set size.
  std::uint64_t threads = 0;
  std::uint64_t descriptors = 0;
  std::uint64_t file_bytes = 0; ///< Allocated blocks of all its files.

  resource_use& operator+=(const resource_use& other);
};

/// Returns the present use of a process and its data directory.
/// @throws std::runtime_error  The process does not exist.
resource_use use_of_process(int pid, const std::filesystem::path& directory);

/// The medians of three parts of equal length of a series of samples.
struct thirds_of_use {
  std::array<resource_use, 3> medians{};

  /// One line for each third.
  std::string text() const;

  /// The name of the first quantity whose last third is more than 5 % (files:
  /// 10 %) above its middle third; empty if there is none.
  std::string growth() const;
};

/// @param samples  At least three, in the order of time.
thirds_of_use compare_thirds(const std::vector<resource_use>& samples);

} // namespace perdura::tests
