// SPDX-License-Identifier: Apache-2.0
/// Records every change of the files below one directory: what was written,
/// resized, created, renamed, removed and synced, in order, with the bytes.
/// From the record, disk_replay.hpp makes the states in which a power failure
/// can leave the directory.
///
/// disk_recorder.cpp defines the functions of the C library that change files
/// (write, pwrite, writev, rename, fdatasync and others) for the whole test
/// program. Each of them calls the original function and, while a recorder
/// exists, adds an operation to its record. Changes through memory maps and
/// copies inside the kernel are not recorded; a test therefore compares the
/// replay of the record with the files.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace perdura::tests {

/// Number of a file or directory in a record. Directory 0 is the recorded one.
/// A file that is removed and created again gets another number.
using disk_node = std::size_t;

/// One change, or one sync.
struct disk_operation {
  enum class kind : std::uint8_t {
    add_file,      ///< `name` in `directory` is now the new, empty file `node`.
    add_directory, ///< The same for a directory.
    rename,        ///< `name` in `directory` has become `new_name` there.
    remove,        ///< `name` in `directory` is gone.
    write,         ///< `bytes` were written to `node` at `number`.
    resize,        ///< `node` has `number` bytes.
    /// The operations of `node` before the operation `number` are durable; for
    /// a directory, those of its entries.
    sync,
    /// The write with the number `number` is durable: the file was opened with
    /// O_DSYNC, and the call has returned.
    sync_write,
    mark ///< `number` was passed to `disk_recorder::mark`.
  };

  kind what = kind::mark;
  disk_node node = 0;
  disk_node directory = 0;
  std::uint64_t number = 0;
  std::string name{};
  std::string new_name{};
  std::string bytes{};
};

/// A file or directory of a record.
struct recorded_node {
  bool is_directory = false;
  /// Path below the recorded directory at the time when it was first seen.
  std::string path;
  std::string bytes; ///< Content of a file at the begin of the record.
};

/// The result of a recorder. All of the initial content counts as durable.
struct disk_record {
  std::vector<recorded_node> nodes;
  /// The initial entries: directory, name, file or directory.
  std::vector<std::tuple<disk_node, std::string, disk_node>> entries;
  std::vector<disk_operation> operations;
};

/// Records while it exists. Only one recorder may exist at a time in a process.
/// Thread-safe.
class disk_recorder {
public:
  /// Begins with the present content of the directory.
  explicit disk_recorder(const std::filesystem::path& directory);
  ~disk_recorder();

  disk_recorder(const disk_recorder&) = delete;
  disk_recorder& operator=(const disk_recorder&) = delete;

  /// Notes a moment in the record.
  void mark(std::uint64_t number);

  /// Ends the recording and returns the record.
  /// @throws std::runtime_error  Something happened that a record cannot
  ///                             express: a failed write, or a rename between
  ///                             two directories.
  disk_record stop();

  // The functions below are called by those of the C library, before or after
  // the original function as their names say.

  std::size_t before_write(int file, off_t offset, std::string_view bytes);
  void after_write(int file, std::size_t operation, ssize_t size,
                   std::size_t size_wanted);
  /// Number of the next operation: a sync that begins now covers those before.
  std::size_t before_sync();
  void after_sync(int file, std::size_t until);
  void after_resize(int file, std::uint64_t size);
  void after_resize(const char* path, std::uint64_t size);
  /// `is_new` tells that the call has created the file, `is_emptied` that it
  /// has truncated an existing one.
  void after_open(int file, const char* path, bool is_new, bool is_emptied);
  void after_make_directory(const char* path);
  void after_rename(const char* from, const char* to);
  void after_remove(const char* path);

private:
  using identity = std::pair<dev_t, ino_t>;

  void add_tree(const std::filesystem::path& directory, disk_node node);
  void add(disk_operation operation);
  disk_node add_node(const char* path, bool is_directory);
  const disk_node* node_of(int file) const;
  const disk_node* node_of(const std::filesystem::path& path) const;
  const disk_node* parent_of(const std::filesystem::path& path) const;

  const std::filesystem::path directory_;
  std::mutex mutex_;
  disk_record record_;
  std::map<identity, disk_node> nodes_;
  std::string defect_; ///< Why the record is not usable; else empty.
};

} // namespace perdura::tests
