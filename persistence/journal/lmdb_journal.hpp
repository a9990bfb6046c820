/// The journal on a node's disk.
///
///   DIR/            mode 0700
///     hub           format and identity; written last, by `create_hub`
///     lock          held with flock while a process uses the directory
///     reserve       preallocated, see disk_guard.hpp
///     lane-0/journal/data.mdb
///     lane-0/views/data.mdb
#pragma once

#include "persistence/journal/crash_switch.hpp"
#include "persistence/journal/manual_journal.hpp"
#include "persistence/stores/disk_guard.hpp"
#include "persistence/stores/lmdb_store.hpp"
#include "persistence/views/views_writer.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace perdura::persistence {

/// Of the directory as a whole. Raised when an older program must refuse.
inline constexpr std::uint32_t storage_format = 1;

struct lmdb_journal_options {
  std::filesystem::path directory;
  std::string hub_id;                      ///< Expected; empty: any.
  std::optional<std::uint32_t> lane_count; ///< Expected; empty: any.
  std::uint64_t journal_map_bytes = persistence::journal_map_bytes;
  std::uint64_t views_map_bytes = persistence::views_map_bytes;
  disk_guard::limits room{.storage_bytes_max = 0,
                          .reserve_bytes = 64ULL << 20U};
  views_writer::limits views;

  // For tests.
  bool manual = false; ///< No threads; see manual_journal.hpp.
  crash_hook crash;
};

/// Creates the hub in a new or empty directory and gives each partition its
/// incarnation.
/// @error errc::storage_in_use   There is a hub already.
/// @error errc::storage_foreign  Something else is there.
/// @error errc::storage_failed   The disk would not.
/// @error errc::invalid_argument Partition or lane count out of range.
result<void> create_hub(const std::filesystem::path& directory,
                        const hub_identity& hub);

/// @error errc::storage_missing  No directory, an empty one, or no hub in it.
/// @error errc::storage_format   Another format version; says both.
/// @error errc::storage_damaged  The file is not as it was written.
result<hub_identity> read_hub(const std::filesystem::path& directory);

/// Opens a hub, and brings its views up to what is durable. Never deletes or
/// repairs anything. Errors as of `read_hub`, and
/// @error errc::storage_in_use   By another process; names it.
/// @error errc::storage_foreign  Another hub, or lane count, than expected.
result<std::unique_ptr<manual_journal>>
open_lmdb_journal(lmdb_journal_options options);

/// Held while a process uses a data directory; the kernel lets go of it when
/// the process ends, however it does.
class directory_lock {
public:
  /// @error errc::storage_in_use
  static result<std::unique_ptr<directory_lock>>
  take(const std::filesystem::path& directory);

  explicit directory_lock(int file) : file_(file) {}

  ~directory_lock();

  directory_lock(const directory_lock&) = delete;
  directory_lock& operator=(const directory_lock&) = delete;

private:
  int file_;
};

std::filesystem::path journal_directory(const std::filesystem::path& directory,
                                        std::uint32_t lane);
std::filesystem::path views_directory(const std::filesystem::path& directory,
                                      std::uint32_t lane);

} // namespace perdura::persistence
