// SPDX-License-Identifier: Apache-2.0
#include "persistence/stores/disk_guard.hpp"

#include "persistence/process/logging.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace perdura::persistence {

disk_guard::disk_guard(std::filesystem::path directory, limits settings,
                       std::function<std::uint64_t()> used,
                       std::function<std::uint64_t()> free)
  : file_(directory / "reserve"),
    limits_(settings),
    used_(std::move(used)),
    free_(std::move(free)) {
  if (!free_)
    free_ = [directory = std::move(directory)] {
      std::error_code failed;
      const auto space = std::filesystem::space(directory, failed);
      // If the file system cannot be queried, the disk does not count as full.
      return failed ? UINT64_MAX : std::uint64_t{space.available};
    };
  // If the size of the file is not `reserve_bytes`, the reserve counts as not
  // allocated, and `measure` allocates it once enough space is free.
  std::error_code missing;
  reserved_
    = limits_.reserve_bytes > 0
      && std::filesystem::file_size(file_, missing) == limits_.reserve_bytes
      && !missing;
}

// The reserve is released when less than its size is free, and allocated when
// twice its size is free. With a single threshold, the state would alternate
// while the free space is near that threshold.
bool disk_guard::measure() {
  std::lock_guard lock(mutex_);
  bool full
    = limits_.storage_bytes_max > 0 && used_() > limits_.storage_bytes_max;
  if (limits_.reserve_bytes > 0) {
    const std::uint64_t free = free_();
    if (reserved_ && free < limits_.reserve_bytes)
      release();
    else if (!reserved_ && free >= 2 * limits_.reserve_bytes)
      reserve();
    full = full || !reserved_;
  }
  // A line is logged only when the result changes.
  if (full != full_)
    log(log_channel::persistence, full ? log_level::error : log_level::info,
        full ? "the storage is full: new starts and events are refused until "
               "instances are purged or more disk space is free"
             : "the storage is no longer full");
  full_ = full;
  return full;
}

/// Allocates the reserve; true on success.
bool disk_guard::reserve() {
  const int fd = ::open(file_.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0)
    return false;
  reserved_
    = ::posix_fallocate(fd, 0, static_cast<off_t>(limits_.reserve_bytes)) == 0;
  ::close(fd);
  if (!reserved_)
    release();
  return reserved_;
}

/// Truncates the reserve to 0 bytes, which frees its space on the disk.
void disk_guard::release() {
  reserved_ = false;
  if (::truncate(file_.c_str(), 0) != 0)
    log(log_channel::persistence, log_level::warning,
        "the disk reserve could not be released: " + file_.string());
}

} // namespace perdura::persistence
