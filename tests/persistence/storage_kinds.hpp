// SPDX-License-Identifier: Apache-2.0
/// Kinds of storage on which a manual journal can be opened, crashed and opened
/// again: memory and LMDB. Test cases are templates over the kind.
#pragma once

#include "persistence/journal/lmdb_journal.hpp"
#include "persistence/journal/memory_journal.hpp"
#include "persistence/records/identity.hpp"

#include <boost/mpl/list.hpp>

#include <cstdlib>
#include <filesystem>
#include <memory>

namespace perdura::persistence::testing {

/// A temporary directory, deleted with the object.
class temporary_directory {
public:
  temporary_directory() : path_(base() / ("perdura-test-" + random_hex32())) {
    std::filesystem::create_directory(path_);
  }

  ~temporary_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;

  const std::filesystem::path& path() const {
    return path_;
  }

private:
  /// Returns /dev/shm if it exists and TMPDIR is not set. It is faster than a
  /// disk, and these tests do not need a disk.
  static std::filesystem::path base() {
    std::error_code missing;
    if (!std::getenv("TMPDIR")
        && std::filesystem::is_directory("/dev/shm", missing))
      return "/dev/shm";
    return std::filesystem::temp_directory_path();
  }

  std::filesystem::path path_;
};

/// Small memory maps: a sanitizer leaves little address space.
inline constexpr lmdb_map_sizes small_maps{.journal = 1U << 30U,
                                           .views = 1U << 30U};

inline hub_identity small_hub(std::uint32_t partition_count = 4,
                              std::uint32_t lane_count = 1) {
  hub_identity hub;
  hub.hub_id = random_hex32();
  hub.name = "perdura";
  hub.partition_count = partition_count;
  hub.lane_count = lane_count;
  return hub;
}

/// Storage in memory that outlives the journals on it.
class memory_storage {
public:
  explicit memory_storage(std::uint32_t partition_count = 4,
                          std::uint32_t lane_count = 1)
    : disk_(
      std::make_shared<memory_disk>(small_hub(partition_count, lane_count))) {}

  std::unique_ptr<manual_journal> open(crash_hook crash = {}) {
    return open_memory_journal(disk_, {.crash = std::move(crash)}).value();
  }

private:
  std::shared_ptr<memory_disk> disk_;
};

/// A hub on LMDB in a temporary directory.
class lmdb_storage {
public:
  explicit lmdb_storage(std::uint32_t partition_count = 4,
                        std::uint32_t lane_count = 1) {
    create_hub(hub(), small_hub(partition_count, lane_count), small_maps)
      .value();
  }

  std::filesystem::path hub() const {
    return directory_.path() / "hub";
  }

  lmdb_journal_options options() const {
    lmdb_journal_options options;
    options.directory = hub();
    options.map_bytes = small_maps;
    options.disk_limits.reserve_bytes = 0;
    return options;
  }

  /// Opens a journal without threads that flushes its views in small steps.
  std::unique_ptr<manual_journal> open(crash_hook crash = {}) {
    lmdb_journal_options opened = options();
    opened.views.slice_instances_min = 2;
    opened.manual = true;
    opened.crash = std::move(crash);
    return open_lmdb_journal(std::move(opened)).value();
  }

private:
  temporary_directory directory_;
};

using storage_kinds = boost::mpl::list<memory_storage, lmdb_storage>;

} // namespace perdura::persistence::testing
