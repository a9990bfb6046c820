// SPDX-License-Identifier: Apache-2.0
/// The journal in a data directory of a node, stored with LMDB. See
/// hub_directory.hpp for the layout of the directory and its creation.
#pragma once

#include "persistence/journal/directory_lock.hpp"
#include "persistence/journal/hub_directory.hpp"
#include "persistence/journal/manual_journal.hpp"
#include "persistence/process/crash_switch.hpp"
#include "persistence/stores/disk_guard.hpp"
#include "persistence/stores/lmdb_store.hpp"
#include "persistence/views/views_scrub.hpp"
#include "persistence/views/views_writer.hpp"

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace perdura::persistence {

/// Options of open_lmdb_journal.
struct lmdb_journal_options {
  std::filesystem::path directory;
  /// The hub that the directory must contain; empty accepts any hub.
  std::string hub_id;
  /// The lane count that the hub must have; empty accepts any count.
  std::optional<std::uint32_t> lane_count;
  lmdb_map_sizes map_bytes; ///< For each lane.
  disk_guard::limits disk_limits;
  views_writer::limits views;
  views_scrubber::limits scrub;

  /// How often removed files are looked for; the journal's own file is looked
  /// at in each commit.
  std::chrono::steady_clock::duration watch_interval = std::chrono::seconds(1);

  // The following options are for tests.
  bool manual = false; ///< Start no threads; see manual_journal.hpp.
  crash_hook crash;
};

/// Locks a data directory, opens the hub in it and recovers the views to the
/// last durable position. Never deletes or repairs anything. The directory
/// stays locked until the journal is destroyed.
///
/// The pages of the environments are checked first (see lmdb_page_walk.hpp and
/// lane_check.hpp). If a file of the directory is removed while the journal is
/// open, the process ends at the next commit, before its turns are reported.
///
/// Returns the errors of `read_hub` and the following ones:
/// @error errc::storage_in_use   Another process has locked the directory. The
///                               message contains its process ID.
/// @error errc::storage_foreign  The hub or the lane count is not the expected
///                               one, or the journal or the views of a lane
///                               belong to another hub or lane.
/// @error errc::storage_full     The disk has no space for what the opening
///                               must write, even without the reserve.
/// @error errc::storage_failed   LMDB or a system call reported an error.
result<std::unique_ptr<manual_journal>>
open_lmdb_journal(lmdb_journal_options options);

} // namespace perdura::persistence
