// SPDX-License-Identifier: Apache-2.0
#include "persistence/stores/file_growth.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace perdura::persistence {

namespace {

// While the disk has space, at least this many bytes are allocated beyond a
// request. On a full disk, the commits that follow use them, also after a
// restart.
constexpr std::uint64_t allocated_min = 1ULL << 20U;

// Bytes that are allocated beyond the request when it is about to fall below
// `allocated_min`: one allocation then serves several commits.
constexpr std::uint64_t allocated_beyond = 2 * allocated_min;

bool is_no_space(int code) {
  return code == ENOSPC || code == EDQUOT || code == EFBIG;
}

} // namespace

bool file_growth::prepare(std::uint64_t end, std::uint64_t bytes) {
  const std::uint64_t to = end + bytes;
  if (to + allocated_min <= allocated_to_)
    return true;
  const std::uint64_t from = allocated_to_ == 0 ? 0 : end;
  if (allocate(from, to + allocated_beyond) || to <= allocated_to_
      || allocate(end, to))
    return true;
  // The file system may need some of the released space for itself, or another
  // program may take it first.
  while (release_ && release_(to - std::max(allocated_to_, end)))
    if (allocate(end, to))
      return true;
  return false;
}

bool file_growth::allocate(std::uint64_t from, std::uint64_t to) {
  int code = 0;
  do
    code = ::fallocate(file_, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(from),
                       static_cast<off_t>(to - from))
               == 0
             ? 0
             : errno;
  while (code == EINTR);
  if (code == 0) {
    allocated_to_ = to;
    return true;
  }
  if (is_no_space(code))
    return false;

  // The file system cannot allocate blocks in advance. Whether there is space
  // is then only known for this moment.
  struct statvfs disk {};

  return ::fstatvfs(file_, &disk) != 0
         || std::uint64_t{disk.f_bavail} * disk.f_frsize >= to - from;
}

std::uint64_t bytes_on_disk(int file) {
  constexpr std::uint64_t block_bytes = 512; // the unit of st_blocks

  struct stat found {};

  return ::fstat(file, &found) == 0
           ? static_cast<std::uint64_t>(found.st_blocks) * block_bytes
           : 0;
}

bool allocate_mapped_file(const std::filesystem::path& path,
                          std::size_t bytes) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0)
    return true;
  const int code = ::posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  ::close(fd);
  return !is_no_space(code);
}

} // namespace perdura::persistence
