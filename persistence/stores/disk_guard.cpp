#include "persistence/stores/disk_guard.hpp"

#include "persistence/process/logging.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace perdura::persistence {

disk_guard::disk_guard(std::filesystem::path directory, limits most,
                       std::function<std::uint64_t()> used,
                       std::function<std::uint64_t()> free)
  : file_(directory / "reserve"),
    most_(most),
    used_(std::move(used)),
    free_(std::move(free)) {
  if (!free_)
    free_ = [directory = std::move(directory)] {
      std::error_code failed;
      const auto space = std::filesystem::space(directory, failed);
      return failed ? UINT64_MAX : std::uint64_t{space.available};
    };
  std::error_code missing;
  reserved_
    = most_.reserve_bytes > 0
      && std::filesystem::file_size(file_, missing) == most_.reserve_bytes
      && !missing;
}

bool disk_guard::measure() {
  std::lock_guard lock(mutex_);
  bool full = most_.storage_bytes_max > 0 && used_() > most_.storage_bytes_max;
  if (most_.reserve_bytes > 0) {
    const std::uint64_t free = free_();
    if (reserved_ && free < most_.reserve_bytes)
      release();
    else if (!reserved_ && free >= 2 * most_.reserve_bytes)
      reserve();
    full = full || !reserved_;
  }
  if (full != full_)
    log(log_room::persistence, full ? log_level::error : log_level::info,
        full ? "the storage is full: new starts and events are refused until "
               "instances are purged or the disk has room"
             : "the storage has room again");
  full_ = full;
  return full;
}

bool disk_guard::reserve() {
  const int fd = ::open(file_.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0)
    return false;
  reserved_
    = ::posix_fallocate(fd, 0, static_cast<off_t>(most_.reserve_bytes)) == 0;
  ::close(fd);
  if (!reserved_)
    release();
  return reserved_;
}

void disk_guard::release() {
  reserved_ = false;
  if (::truncate(file_.c_str(), 0) != 0)
    log(log_room::persistence, log_level::warning,
        "the reserve could not be given up");
}

} // namespace perdura::persistence
