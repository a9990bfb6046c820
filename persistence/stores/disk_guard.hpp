// SPDX-License-Identifier: Apache-2.0
/// Detects that a data directory is full before LMDB fails to write.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>

namespace perdura::persistence {

/// Keeps a preallocated file, the reserve, in the data directory. When the
/// free space of the disk is less than the reserve's size, the guard truncates
/// the file and reports the storage as full, so that new work is refused. The
/// space freed in this way is left for results, completions, terminate and
/// purge. When twice the reserve's size is free again, the guard allocates
/// the reserve again. The storage counts as full for as long as the reserve
/// is not allocated.
///
/// Thread-safe.
class disk_guard {
public:
  struct limits {
    /// Bytes that the stores may use; 0 means no limit.
    std::uint64_t storage_bytes_max = 0;
    /// Size of the reserve; 0 means no reserve, and the free space of the
    /// disk is not checked.
    std::uint64_t reserve_bytes = 0;
  };

  /// `used` returns the bytes that the stores use. `free` returns the bytes
  /// that are free on the disk; if `free` is an empty function, the guard
  /// queries the file system of `directory`. Only tests pass `free`. `measure`
  /// calls both functions on the thread of its caller.
  disk_guard(std::filesystem::path directory, limits settings,
             std::function<std::uint64_t()> used,
             std::function<std::uint64_t()> free = {});

  /// Measures again, and allocates or releases the reserve if necessary.
  /// @return True if the storage is full.
  bool measure();

private:
  // The caller of these functions holds `mutex_`.
  bool reserve();
  void release();

  const std::filesystem::path file_; ///< Path of the reserve.
  const limits limits_;
  std::function<std::uint64_t()> used_;
  std::function<std::uint64_t()> free_;
  std::mutex mutex_; // Guards the members below.
  bool reserved_ = false;
  bool full_ = false; ///< Result of the last measurement.
};

} // namespace perdura::persistence
