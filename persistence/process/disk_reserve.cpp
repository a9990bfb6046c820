// SPDX-License-Identifier: Apache-2.0
#include "persistence/process/disk_reserve.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace perdura::persistence {

std::filesystem::path reserve_file(const std::filesystem::path& directory) {
  return directory / "reserve";
}

std::uint64_t reserve_bytes(const std::filesystem::path& directory) {
  struct stat found {};

  return ::stat(reserve_file(directory).c_str(), &found) == 0
           ? static_cast<std::uint64_t>(found.st_size)
           : 0;
}

bool shrink_reserve(const std::filesystem::path& directory,
                    std::uint64_t bytes) {
  const std::uint64_t held = reserve_bytes(directory);
  return held > 0
         && ::truncate(reserve_file(directory).c_str(),
                       static_cast<off_t>(held - std::min(held, bytes)))
              == 0;
}

} // namespace perdura::persistence
