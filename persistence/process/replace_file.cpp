// SPDX-License-Identifier: Apache-2.0
#include "persistence/process/replace_file.hpp"

#include "persistence/process/disk_reserve.hpp"
#include "persistence/process/sync_watch.hpp"
#include "persistence/process/write_all.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace perdura::persistence {

namespace {

// Space for a new copy of a small file, and for its entry in the directory.
constexpr std::uint64_t space_taken = 64U << 10U;

std::error_code last_error() {
  return {errno, std::generic_category()};
}

/// Writes and syncs a file.
std::error_code write_synced(const std::filesystem::path& file,
                             std::string_view text) {
  const sync_watch::running watched(sync_watch::of_process());
  const int fd
    = ::open(file.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0)
    return last_error();
  std::error_code trouble = write_all(fd, text);
  if (!trouble && ::fsync(fd) != 0)
    trouble = last_error();
  ::close(fd);
  return trouble;
}

/// Makes the names in a directory durable.
std::error_code sync_names(const std::filesystem::path& directory) {
  const sync_watch::running watched(sync_watch::of_process());
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return last_error();
  const std::error_code trouble
    = ::fsync(fd) == 0 ? std::error_code() : last_error();
  ::close(fd);
  return trouble;
}

} // namespace

std::error_code replace_file(const std::filesystem::path& file,
                             std::string_view text) {
  const std::filesystem::path beside = file.string() + ".new";
  auto trouble = write_synced(beside, text);
  if (trouble == std::errc::no_space_on_device
      && shrink_reserve(file.parent_path(), space_taken))
    trouble = write_synced(beside, text);
  if (trouble)
    return trouble;
  if (::rename(beside.c_str(), file.c_str()) != 0)
    return last_error();
  return sync_names(file.parent_path());
}

std::error_code remove_file(const std::filesystem::path& file) {
  if (::unlink(file.c_str()) != 0 && errno != ENOENT)
    return last_error();
  return sync_names(file.parent_path());
}

} // namespace perdura::persistence
