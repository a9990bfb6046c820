// SPDX-License-Identifier: Apache-2.0
/// Locks a data directory, so that one process at a time uses it.
#pragma once

#include "persistence/records/error.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>

namespace perdura::persistence {

/// Lock on a data directory: flock on the directory itself and on the file
/// `lock` in it. The lock on the directory also holds if the file is removed;
/// the file contains the process ID, and older programs lock only the file.
/// The kernel releases both when the process ends for any reason.
class directory_lock {
public:
  enum class use : std::uint8_t {
    /// Exclusive: a node. Creates the file if it does not exist.
    node,
    /// Exclusive, while a hub is created: only the directory is locked.
    creation,
    /// Shared with other readers, but not with a node. Writes nothing.
    reading,
  };

  /// Locks without waiting.
  /// @error errc::storage_in_use  Another process holds the lock. The message
  ///                              contains its process ID, if it is known.
  /// @error errc::storage_failed  The directory or the file cannot be opened or
  ///                              locked.
  static result<std::unique_ptr<directory_lock>>
  acquire(const std::filesystem::path& directory, use purpose = use::node);

  /// Takes ownership of two descriptors; `file` is -1 if only the directory is
  /// locked.
  directory_lock(int directory, int file)
    : directory_(directory), file_(file) {}

  ~directory_lock();

  directory_lock(const directory_lock&) = delete;
  directory_lock& operator=(const directory_lock&) = delete;

private:
  int directory_;
  int file_;
};

} // namespace perdura::persistence
