// SPDX-License-Identifier: Apache-2.0
/// The journal in a data directory of a node, stored with LMDB: creating,
/// opening and locking the directory.
///
///   DIR/            mode 0700
///     hub           format number and identity; written when the rest exists
///     lock          held with flock while a process uses the directory
///     reserve       preallocated file, see disk_guard.hpp
///     lane-0/journal/data.mdb
///     lane-0/views/data.mdb
#pragma once

#include "persistence/journal/manual_journal.hpp"
#include "persistence/process/crash_switch.hpp"
#include "persistence/stores/disk_guard.hpp"
#include "persistence/stores/lmdb_store.hpp"
#include "persistence/views/views_writer.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace perdura::persistence {

/// Format number of the data directory as a whole. A program refuses a
/// directory with a later number.
/// - 1: the first release.
/// - 2: records of instances and starts of sub-orchestrations contain the place
///   in the tree. A record without it is read as that of a root.
inline constexpr std::uint32_t storage_format = 2;

/// The oldest format that a program opens. Opening a directory of an older
/// format than `storage_format` raises its number.
inline constexpr std::uint32_t storage_format_oldest = 1;

/// Options of open_lmdb_journal.
struct lmdb_journal_options {
  std::filesystem::path directory;
  /// The hub that the directory must contain; empty accepts any hub.
  std::string hub_id;
  /// The lane count that the hub must have; empty accepts any count.
  std::optional<std::uint32_t> lane_count;
  lmdb_map_sizes map_bytes; ///< For each lane.
  disk_guard::limits disk_limits{.storage_bytes_max = 0,
                                 .reserve_bytes = 64ULL << 20U};
  views_writer::limits views;

  // The following options are for tests.
  bool manual = false; ///< Start no threads; see manual_journal.hpp.
  crash_hook crash;
};

/// Creates a hub in a new or empty directory. Each partition gets a random
/// `partition_meta::incarnation`. The file `hub` is written last, so a creation
/// that was interrupted leaves a directory that is refused, not a partial hub.
/// The map sizes apply to the creation only.
/// @error errc::storage_in_use   The directory contains a hub already.
/// @error errc::storage_foreign  The directory contains other files.
/// @error errc::storage_failed   A system call failed. The message names the
///                               file.
/// @error errc::invalid_argument The partition count or the lane count is out
///                               of range.
result<void> create_hub(const std::filesystem::path& directory,
                        const hub_identity& hub,
                        const lmdb_map_sizes& map_bytes = {});

/// Reads the identity of the hub in a directory. Takes no lock.
/// @error errc::storage_missing  The directory does not exist, is empty, or
///                               contains no hub.
/// @error errc::storage_format   The directory has another format number. The
///                               message contains both numbers.
/// @error errc::storage_damaged  The file `hub` cannot be read as it was
///                               written.
result<hub_identity> read_hub(const std::filesystem::path& directory);

/// Locks a data directory, opens the hub in it and recovers the views to the
/// last durable position. Never deletes or repairs anything. The directory
/// stays locked until the journal is destroyed.
///
/// Returns the errors of `read_hub` and the following ones:
/// @error errc::storage_in_use   Another process has locked the directory. The
///                               message contains its process ID.
/// @error errc::storage_foreign  The hub or the lane count is not the expected
///                               one, or a lane belongs to another hub.
/// @error errc::storage_failed   LMDB or a system call reported an error.
result<std::unique_ptr<manual_journal>>
open_lmdb_journal(lmdb_journal_options options);

/// Exclusive lock on a data directory: flock on the file `lock`. The kernel
/// releases the lock when the process ends for any reason.
class directory_lock {
public:
  /// Locks without waiting and writes the process ID into the file.
  /// @error errc::storage_in_use  Another process holds the lock. The message
  ///                              contains its process ID.
  /// @error errc::storage_failed  The file cannot be opened or locked.
  static result<std::unique_ptr<directory_lock>>
  acquire(const std::filesystem::path& directory);

  /// Takes ownership of `file`, a descriptor that holds the lock.
  explicit directory_lock(int file) : file_(file) {}

  ~directory_lock();

  directory_lock(const directory_lock&) = delete;
  directory_lock& operator=(const directory_lock&) = delete;

private:
  int file_;
};

/// Each function returns the path of one LMDB environment of a lane, its
/// journal or its views. `directory` is the data directory.
std::filesystem::path journal_directory(const std::filesystem::path& directory,
                                        std::uint32_t lane);
std::filesystem::path views_directory(const std::filesystem::path& directory,
                                      std::uint32_t lane);

} // namespace perdura::persistence
