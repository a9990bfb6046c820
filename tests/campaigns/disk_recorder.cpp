// SPDX-License-Identifier: Apache-2.0
#include "campaigns/disk_recorder.hpp"

#include "campaigns/disk_fault.hpp"
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <vector>

namespace perdura::tests {

namespace fs = std::filesystem;

namespace {

using operation_kind = disk_operation::kind;

std::atomic<disk_recorder*> active_recorder{nullptr};

/// Calls `work` with the recorder, if there is one. Keeps errno, which belongs
/// to the caller of the C library.
template <class F>
void with_recorder(F work) {
  if (disk_recorder* recorder = active_recorder.load()) {
    const int code = errno;
    work(*recorder);
    errno = code;
  }
}

/// The function of this name that is used without the ones in this file.
template <class F>
F* original(const char* name) {
  return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}

bool exists_now(const char* path) {
  struct stat status {};

  return ::lstat(path, &status) == 0;
}

/// The offset at which write() will put its bytes.
off_t offset_of(int file) {
  const int flags = ::fcntl(file, F_GETFL);

  struct stat status {};

  if (flags >= 0 && (flags & O_APPEND) != 0 && ::fstat(file, &status) == 0)
    return status.st_size;
  return ::lseek(file, 0, SEEK_CUR);
}

std::string joined(const void* bytes, std::size_t size) {
  return {static_cast<const char*>(bytes), size};
}

std::string joined(const iovec* parts, int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i)
    bytes.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
  return bytes;
}

/// Does to a write what `next_fault` wants. `call` writes that many of the
/// bytes.
template <class F>
ssize_t faulty_write(int file, std::size_t size, F call) {
  const fault_kind fault = next_fault(disk_call::write, file);
  ssize_t done = 0;
  switch (fault) {
  case fault_kind::no_space:
    errno = ENOSPC;
    return -1;
  case fault_kind::io_error:
    errno = EIO;
    return -1;
  case fault_kind::short_write:
    return call(size / 2);
  case fault_kind::dropped:
    return static_cast<ssize_t>(size);
  case fault_kind::late_error:
    done = call(size);
    errno = EIO;
    return done < 0 ? done : -1;
  case fault_kind::kill_after:
    done = call(size);
    ::raise(SIGKILL);
    return done;
  default:
    return call(size);
  }
}

/// The same for a sync.
template <class F>
int faulty_sync(int file, F call) {
  const fault_kind fault = next_fault(disk_call::sync, file);
  if (fault == fault_kind::dropped)
    return 0;
  if (fault == fault_kind::late_error || fault == fault_kind::kill_after
      || fault == fault_kind::none) {
    const int rc = call();
    if (fault == fault_kind::none)
      return rc;
    if (fault == fault_kind::kill_after)
      ::raise(SIGKILL);
  }
  errno = fault == fault_kind::no_space ? ENOSPC : EIO;
  return -1;
}

/// Records a write around the call of the original function. `offset` and
/// `bytes` are called only if there is a recorder. `call` writes that many of
/// `size` bytes.
template <class Offset, class Bytes, class F>
ssize_t recorded_write(int file, std::size_t size, Offset offset, Bytes bytes,
                       F call) {
  std::size_t operation = 0;
  with_recorder([&](disk_recorder& recorder) {
    operation = recorder.before_write(file, offset(), bytes());
  });
  const ssize_t done = faulty_write(file, size, call);
  if (operation > 0)
    with_recorder([&](disk_recorder& recorder) {
      recorder.after_write(file, operation, done, size);
    });
  return done;
}

std::size_t total_size(const iovec* parts, int count) {
  std::size_t size = 0;
  for (int i = 0; i < count; ++i)
    size += parts[i].iov_len;
  return size;
}

/// The first `size` bytes of the parts.
std::vector<iovec> first_parts(const iovec* parts, int count,
                               std::size_t size) {
  std::vector<iovec> first;
  for (int i = 0; i < count && size > 0; ++i) {
    first.push_back({parts[i].iov_base, std::min(parts[i].iov_len, size)});
    size -= first.back().iov_len;
  }
  return first;
}

/// Records a sync around the call of the original function.
template <class F>
int recorded_sync(int file, F call) {
  std::size_t until = 0;
  with_recorder([&](disk_recorder& r) { until = r.before_sync(); });
  const int rc = faulty_sync(file, call);
  if (rc == 0)
    with_recorder([&](disk_recorder& r) { r.after_sync(file, until); });
  return rc;
}

/// Records a call that removes an entry of a directory.
template <class F>
int recorded_remove(const char* path, F call) {
  const int rc = call();
  if (rc == 0)
    with_recorder([&](disk_recorder& r) { r.after_remove(path); });
  return rc;
}

std::string file_bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace

// --- The recorder ------------------------------------------------------------

disk_recorder::disk_recorder(const fs::path& directory)
  : directory_(directory) {
  add_node(directory.c_str(), true);
  add_tree(directory, 0);
  if (active_recorder.exchange(this) != nullptr)
    throw std::logic_error("two recorders at a time");
}

disk_recorder::~disk_recorder() {
  active_recorder = nullptr;
}

void disk_recorder::add_tree(const fs::path& directory, disk_node node) {
  for (const auto& each : fs::directory_iterator(directory)) {
    const bool is_directory = each.is_directory();
    const disk_node found = add_node(each.path().c_str(), is_directory);
    record_.entries.emplace_back(node, each.path().filename().string(), found);
    if (is_directory)
      add_tree(each.path(), found);
    else
      record_.nodes[found].bytes = file_bytes_of(each.path());
  }
}

void disk_recorder::mark(std::uint64_t number) {
  add({.what = operation_kind::mark, .number = number});
}

disk_record disk_recorder::stop() {
  active_recorder = nullptr;
  const std::lock_guard lock(mutex_);
  if (!defect_.empty())
    throw std::runtime_error(defect_);
  return std::move(record_);
}

void disk_recorder::add(disk_operation operation) {
  const std::lock_guard lock(mutex_);
  record_.operations.push_back(std::move(operation));
}

/// Gives a file or directory a number. The caller holds `mutex_`, or is the
/// constructor.
disk_node disk_recorder::add_node(const char* path, bool is_directory) {
  const disk_node number = record_.nodes.size();

  struct stat status {};

  if (::lstat(path, &status) == 0)
    nodes_[{status.st_dev, status.st_ino}] = number;
  std::error_code ignored;
  record_.nodes.push_back(
    {is_directory, fs::relative(path, directory_, ignored).string(), {}});
  return number;
}

const disk_node* disk_recorder::node_of(int file) const {
  struct stat status {};

  if (::fstat(file, &status) != 0)
    return nullptr;
  const auto found = nodes_.find({status.st_dev, status.st_ino});
  return found == nodes_.end() ? nullptr : &found->second;
}

const disk_node* disk_recorder::node_of(const fs::path& path) const {
  struct stat status {};

  if (::lstat(path.c_str(), &status) != 0)
    return nullptr;
  const auto found = nodes_.find({status.st_dev, status.st_ino});
  return found == nodes_.end() ? nullptr : &found->second;
}

const disk_node* disk_recorder::parent_of(const fs::path& path) const {
  return node_of(path.has_parent_path() ? path.parent_path() : fs::path("."));
}

std::size_t disk_recorder::before_write(int file, off_t offset,
                                        std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  const disk_node* node = node_of(file);
  if (node == nullptr)
    return 0;
  record_.operations.push_back({.what = operation_kind::write,
                                .node = *node,
                                .number = static_cast<std::uint64_t>(offset),
                                .bytes = std::string(bytes)});
  return record_.operations.size();
}

/// `operation` is the result of `before_write`: 0 for another file.
void disk_recorder::after_write(int file, std::size_t operation, ssize_t size,
                                std::size_t size_wanted) {
  if (operation == 0)
    return;
  const std::lock_guard lock(mutex_);
  const disk_node node = record_.operations[operation - 1].node;
  if (size != static_cast<ssize_t>(size_wanted))
    defect_ = "a write to " + record_.nodes[node].path + " was not complete";
  const int flags = ::fcntl(file, F_GETFL);
  if (flags >= 0 && (flags & O_DSYNC) != 0)
    record_.operations.push_back({.what = operation_kind::sync_write,
                                  .node = node,
                                  .number = operation - 1});
}

std::size_t disk_recorder::before_sync() {
  const std::lock_guard lock(mutex_);
  return record_.operations.size();
}

void disk_recorder::after_sync(int file, std::size_t until) {
  const std::lock_guard lock(mutex_);
  if (const disk_node* node = node_of(file))
    record_.operations.push_back(
      {.what = operation_kind::sync, .node = *node, .number = until});
}

void disk_recorder::after_resize(int file, std::uint64_t size) {
  const std::lock_guard lock(mutex_);
  if (const disk_node* node = node_of(file))
    record_.operations.push_back(
      {.what = operation_kind::resize, .node = *node, .number = size});
}

void disk_recorder::after_resize(const char* path, std::uint64_t size) {
  const std::lock_guard lock(mutex_);
  if (const disk_node* node = node_of(fs::path(path)))
    record_.operations.push_back(
      {.what = operation_kind::resize, .node = *node, .number = size});
}

void disk_recorder::after_open(int file, const char* path, bool is_new,
                               bool is_emptied) {
  if (is_emptied)
    after_resize(file, 0);
  if (!is_new)
    return;
  const std::lock_guard lock(mutex_);
  const disk_node* parent = parent_of(path);
  if (parent == nullptr)
    return;
  const disk_node directory = *parent;
  record_.operations.push_back({.what = operation_kind::add_file,
                                .node = add_node(path, false),
                                .directory = directory,
                                .name = fs::path(path).filename().string()});
}

void disk_recorder::after_make_directory(const char* path) {
  const std::lock_guard lock(mutex_);
  const disk_node* parent = parent_of(path);
  if (parent == nullptr)
    return;
  const disk_node directory = *parent;
  record_.operations.push_back({.what = operation_kind::add_directory,
                                .node = add_node(path, true),
                                .directory = directory,
                                .name = fs::path(path).filename().string()});
}

void disk_recorder::after_rename(const char* from, const char* to) {
  const std::lock_guard lock(mutex_);
  const disk_node* before = parent_of(from);
  const disk_node* after = parent_of(to);
  if (before == nullptr && after == nullptr)
    return;
  if (before == nullptr || after == nullptr || *before != *after) {
    defect_ = std::string(from) + " was moved to another directory: " + to;
    return;
  }
  record_.operations.push_back({.what = operation_kind::rename,
                                .directory = *before,
                                .name = fs::path(from).filename().string(),
                                .new_name = fs::path(to).filename().string()});
}

void disk_recorder::after_remove(const char* path) {
  const std::lock_guard lock(mutex_);
  if (const disk_node* parent = parent_of(path))
    record_.operations.push_back({.what = operation_kind::remove,
                                  .directory = *parent,
                                  .name = fs::path(path).filename().string()});
}

} // namespace perdura::tests

// --- The functions of the C library ------------------------------------------

// Declared in the headers of the system with the same signatures. A program's
// own definitions take precedence over those of shared libraries, also for
// calls from shared libraries such as liblmdb.

using perdura::tests::disk_call;
using perdura::tests::exists_now;
using perdura::tests::fault_kind;
using perdura::tests::first_parts;
using perdura::tests::joined;
using perdura::tests::next_fault;
using perdura::tests::offset_of;
using perdura::tests::original;
using perdura::tests::recorded_remove;
using perdura::tests::recorded_sync;
using perdura::tests::recorded_write;
using perdura::tests::total_size;
using perdura::tests::with_recorder;

extern "C" {

ssize_t write(int file, const void* bytes, size_t size) {
  static auto* const next
    = original<ssize_t(int, const void*, size_t)>("write");
  return recorded_write(
    file, size, [&] { return offset_of(file); },
    [&] { return joined(bytes, size); },
    [&](size_t count) { return next(file, bytes, count); });
}

ssize_t pwrite(int file, const void* bytes, size_t size, off_t offset) {
  static auto* const next
    = original<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  return recorded_write(
    file, size, [&] { return offset; }, [&] { return joined(bytes, size); },
    [&](size_t count) { return next(file, bytes, count, offset); });
}

ssize_t writev(int file, const iovec* parts, int count) {
  static auto* const next = original<ssize_t(int, const iovec*, int)>("writev");
  const size_t size = total_size(parts, count);
  return recorded_write(
    file, size, [&] { return offset_of(file); },
    [&] { return joined(parts, count); },
    [&](size_t first) {
      if (first == size)
        return next(file, parts, count);
      const auto fewer = first_parts(parts, count, first);
      return next(file, fewer.data(), static_cast<int>(fewer.size()));
    });
}

ssize_t pwritev(int file, const iovec* parts, int count, off_t offset) {
  static auto* const next
    = original<ssize_t(int, const iovec*, int, off_t)>("pwritev");
  const size_t size = total_size(parts, count);
  return recorded_write(
    file, size, [&] { return offset; }, [&] { return joined(parts, count); },
    [&](size_t first) {
      if (first == size)
        return next(file, parts, count, offset);
      const auto fewer = first_parts(parts, count, first);
      return next(file, fewer.data(), static_cast<int>(fewer.size()), offset);
    });
}

// Not recorded: the size and the content of the file stay as they are.
int fallocate(int file, int mode, off_t offset, off_t size) {
  static auto* const next = original<int(int, int, off_t, off_t)>("fallocate");
  if (next_fault(disk_call::allocate, file) == fault_kind::no_space) {
    errno = ENOSPC;
    return -1;
  }
  return next(file, mode, offset, size);
}

int fsync(int file) {
  static auto* const next = original<int(int)>("fsync");
  return recorded_sync(file, [&] { return next(file); });
}

int fdatasync(int file) {
  static auto* const next = original<int(int)>("fdatasync");
  return recorded_sync(file, [&] { return next(file); });
}

int ftruncate(int file, off_t size) noexcept {
  static auto* const next = original<int(int, off_t)>("ftruncate");
  const int rc = next(file, size);
  if (rc == 0)
    with_recorder([&](auto& recorder) {
      recorder.after_resize(file, static_cast<std::uint64_t>(size));
    });
  return rc;
}

int truncate(const char* path, off_t size) noexcept {
  static auto* const next = original<int(const char*, off_t)>("truncate");
  const int rc = next(path, size);
  if (rc == 0)
    with_recorder([&](auto& recorder) {
      recorder.after_resize(path, static_cast<std::uint64_t>(size));
    });
  return rc;
}

int open(const char* path, int flags, ...) {
  static auto* const next = original<int(const char*, int, ...)>("open");
  mode_t mode = 0;
  if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE) {
    va_list arguments;
    va_start(arguments, flags);
    mode = va_arg(arguments, mode_t);
    va_end(arguments);
  }
  bool was_there = true;
  with_recorder([&](auto&) { was_there = exists_now(path); });
  const int file = next(path, flags, mode);
  if (file >= 0)
    with_recorder([&](auto& recorder) {
      recorder.after_open(file, path, !was_there && (flags & O_CREAT) != 0,
                          was_there && (flags & O_TRUNC) != 0);
    });
  return file;
}

int mkdir(const char* path, mode_t mode) noexcept {
  static auto* const next = original<int(const char*, mode_t)>("mkdir");
  const int rc = next(path, mode);
  if (rc == 0)
    with_recorder([&](auto& recorder) { recorder.after_make_directory(path); });
  return rc;
}

int rename(const char* from, const char* to) noexcept {
  static auto* const next = original<int(const char*, const char*)>("rename");
  const int rc = next(from, to);
  if (rc == 0)
    with_recorder([&](auto& recorder) { recorder.after_rename(from, to); });
  return rc;
}

int unlink(const char* path) noexcept {
  static auto* const next = original<int(const char*)>("unlink");
  return recorded_remove(path, [&] { return next(path); });
}

int rmdir(const char* path) noexcept {
  static auto* const next = original<int(const char*)>("rmdir");
  return recorded_remove(path, [&] { return next(path); });
}

int remove(const char* path) noexcept {
  static auto* const next = original<int(const char*)>("remove");
  return recorded_remove(path, [&] { return next(path); });
}

} // extern "C"
