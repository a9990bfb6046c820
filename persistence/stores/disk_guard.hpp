/// Says when a data directory is full, before LMDB has to.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>

namespace perdura::persistence {

/// Holds a preallocated file. When less than its size is free on the disk it
/// is given up, and new work is refused: what it held is left for results,
/// completions, terminate and purge. It is taken back when twice its size is
/// free.
class disk_guard {
public:
  struct limits {
    std::uint64_t storage_bytes_max = 0; ///< 0: as much as there is.
    std::uint64_t reserve_bytes = 0;     ///< 0: no reserve.
  };

  /// `used` measures the stores; `free` the disk, for tests.
  disk_guard(std::filesystem::path directory, limits most,
             std::function<std::uint64_t()> used,
             std::function<std::uint64_t()> free = {});

  /// Looks anew; true: full.
  bool measure();

private:
  bool reserve();
  void release();

  const std::filesystem::path file_;
  const limits most_;
  std::function<std::uint64_t()> used_;
  std::function<std::uint64_t()> free_;
  std::mutex mutex_;
  bool reserved_ = false;
  bool full_ = false;
};

} // namespace perdura::persistence
