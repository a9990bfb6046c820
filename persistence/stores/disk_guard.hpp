// SPDX-License-Identifier: Apache-2.0
/// Detects that a data directory is full before a write to it fails.
#pragma once

#include "persistence/stores/row_store.hpp"
#include <perdura/persistence/stores/storage_space.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <vector>

namespace perdura::persistence {

/// A measurement of a file system, in bytes.
struct disk_space {
  std::uint64_t available = 0; ///< For a process without privileges.
  std::uint64_t size = 0;
};

/// The facts that decide whether new work is refused. All sizes are in bytes.
struct space_facts {
  std::vector<file_space> stores;
  /// Durable turns that the views have not written yet.
  std::uint64_t pending = 0;
  disk_space disk;
  std::uint64_t held = 0;        ///< Now taken by the reserve.
  std::uint64_t reserve_max = 0; ///< Size of a complete reserve.
  bool was_full = false;         ///< The last decision was that it is full.
};

struct space_decision {
  bool is_full = false;
  std::uint64_t hold = 0; ///< New size of the reserve; `held` if unchanged.
  /// storage_space::headroom.
  std::uint64_t headroom = static_cast<std::uint64_t>(-1);
};

/// Decides whether the disk counts as full, and how large the reserve is to be.
///
/// Each store needs its share of the space that is kept for results,
/// completions and purges, and the stores of the views need what the pending
/// turns will take. Free pages in a store's own file count for it; the rest
/// must be free on the disk. The disk becomes full when less than
/// `reserve_max` is there beside the reserve. An eighth of the reserve is then
/// released, for small files that are replaced; the rest is released by the
/// writes that need it. The disk is no longer full when twice `reserve_max` is
/// there, the rest of the reserve included.
space_decision decide_space(const space_facts& facts);

/// The size of a complete reserve: `wanted`, but at most a sixteenth of the
/// disk; the sixteenth counts as at least 8 MiB.
std::uint64_t reserve_size(std::uint64_t wanted, std::uint64_t disk_size);

/// Keeps a preallocated file, the reserve, in the data directory. When the disk
/// is full, new work is refused, and the space of the reserve is left for
/// results, completions, terminate and purge. See `decide_space`. Each write
/// releases only what it needs, at the moment at which it takes it: space that
/// was released earlier could be taken by another program.
///
/// Thread-safe.
class disk_guard {
public:
  struct limits {
    /// Bytes that the stores may use; 0 means no limit.
    std::uint64_t storage_bytes_max = 0;
    /// Wanted size of the reserve; see `reserve_size`. 0 means no reserve, and
    /// the free space of the disk is not checked.
    std::uint64_t reserve_bytes = 64ULL << 20U;
  };

  /// `disk` measures the file system; if it is an empty function, the guard
  /// queries the file system of `directory`. Only tests pass `disk`.
  disk_guard(std::filesystem::path directory, limits settings,
             std::function<disk_space()> disk = {});

  /// Measures again, and changes the reserve if necessary. Calls `disk` on the
  /// thread of its caller. `pending` is that of `space_facts`.
  storage_space measure(const std::vector<file_space>& stores,
                        std::uint64_t pending);

  /// Releases a part of the reserve for a write that finds no space and needs
  /// `bytes`: a little more than that, or the rest of the reserve if it is
  /// smaller. The storage counts as full until a measurement decides otherwise.
  /// @return True if space was released.
  bool release_for_write(std::uint64_t bytes);

private:
  // The caller of these functions holds `mutex_`.
  void hold(std::uint64_t bytes);
  void report(const storage_space& now);

  const std::filesystem::path directory_; ///< Where the reserve is.
  const limits limits_;
  std::function<disk_space()> disk_;
  std::mutex mutex_;       // Guards the members below.
  std::uint64_t held_ = 0; ///< Size of the reserve at the last measurement.
  bool is_disk_full_ = false;
  full_cause reported_ = full_cause::none; ///< In the log.
};

} // namespace perdura::persistence
