// SPDX-License-Identifier: Apache-2.0
#include "persistence/journal/directory_lock.hpp"

#include "persistence/process/logging.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace perdura::persistence {

namespace {

error lock_failed(const std::string& doing, int code) {
  return {errc::storage_failed, doing + ": " + std::strerror(code)};
}

/// `file` is the descriptor of the lock file, or -1.
error in_use(const std::filesystem::path& directory, int file) {
  // The process that holds the lock has written its ID into the file.
  std::string owner(32, '\0');
  const ssize_t size = ::pread(file, owner.data(), owner.size(), 0);
  owner.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  while (!owner.empty() && owner.back() == '\n')
    owner.pop_back();
  return {errc::storage_in_use,
          directory.string() + " is used by "
            + (owner.empty() ? "another process" : "process " + owner)
            + "; one process at a time can use a data directory"};
}

/// True if the file system does not support flock on a directory.
bool is_unsupported(int code) {
  return code == EBADF || code == EINVAL || code == ENOLCK || code == ENOSYS
         || code == EOPNOTSUPP;
}

} // namespace

result<std::unique_ptr<directory_lock>>
directory_lock::acquire(const std::filesystem::path& directory, use purpose) {
  const int operation = (purpose == use::reading ? LOCK_SH : LOCK_EX) | LOCK_NB;
  const std::filesystem::path path = directory / "lock";
  auto lock = std::make_unique<directory_lock>(
    ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), -1);
  if (lock->directory_ < 0)
    return lock_failed("opening " + directory.string(), errno);
  if (purpose != use::creation) {
    const int flags = purpose == use::node ? O_CREAT | O_RDWR : O_RDONLY;
    lock->file_ = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
    if (lock->file_ < 0 && !(purpose == use::reading && errno == ENOENT))
      return lock_failed("opening " + path.string(), errno);
  }
  if (::flock(lock->directory_, operation) != 0) {
    if (errno == EWOULDBLOCK)
      return in_use(directory, lock->file_);
    if (!is_unsupported(errno))
      return lock_failed("locking " + directory.string(), errno);
    log(log_channel::persistence, log_level::warning,
        "the file system of " + directory.string()
          + " cannot lock a directory; only the file `lock` is locked");
  }
  if (lock->file_ < 0)
    return lock;
  if (::flock(lock->file_, operation) != 0) {
    if (errno != EWOULDBLOCK)
      return lock_failed("locking " + path.string(), errno);
    return in_use(directory, lock->file_);
  }
  if (purpose != use::node)
    return lock;
  // The process ID serves the error message above only, so a failure to write
  // it is logged and ignored.
  const std::string self = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock->file_, 0) != 0
      || ::pwrite(lock->file_, self.data(), self.size(), 0)
           != static_cast<ssize_t>(self.size()))
    log(log_channel::persistence, log_level::warning,
        "the process ID could not be written into the lock file "
          + path.string());
  return lock;
}

directory_lock::~directory_lock() {
  for (const int descriptor : {directory_, file_})
    if (descriptor >= 0)
      ::close(descriptor);
}

} // namespace perdura::persistence
