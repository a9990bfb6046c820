// SPDX-License-Identifier: Apache-2.0
/// The in-memory implementation of the journal, for tests and the simulation.
/// It gives the same guarantees and uses the same encoding, group commit and
/// views as the LMDB implementation, but stores nothing on disk.
#pragma once

#include "persistence/journal/laned_journal.hpp"
#include "persistence/process/crash_switch.hpp"
#include "persistence/stores/map_store.hpp"

namespace perdura::persistence {

/// The durable content of a hub. It outlives the journals that are opened on
/// it, as a disk outlives a process. One journal may be open at a time.
class memory_disk {
public:
  /// Creates an empty hub; each partition gets a random incarnation.
  explicit memory_disk(hub_identity hub);

  const hub_identity& hub() const {
    return hub_;
  }

  struct lane {
    map_log log;
    map_store rows;
  };

  /// The stores of a lane, for tests that inspect or damage their content.
  /// @throws std::out_of_range  There is no such lane.
  lane& at(std::size_t number) {
    return *lanes_.at(number);
  }

private:
  hub_identity hub_;
  std::vector<std::unique_ptr<lane>> lanes_;
};

/// Creates the durable content of an empty hub with a random ID, the given
/// number of partitions and one lane.
std::shared_ptr<memory_disk> make_memory_disk(std::uint32_t partition_count
                                              = 32);

/// Options of open_memory_journal.
struct memory_journal_options {
  crash_hook crash;
  std::uint64_t storage_bytes_max = 0; ///< 0 means no limit.
};

/// Opens a journal on `disk` and shares ownership of it. Turns that an earlier
/// journal had queued but not committed are lost. The journal is always in
/// manual mode: only `commit` makes turns durable.
/// @error errc::storage_damaged  A record or row is damaged or missing.
result<std::unique_ptr<manual_journal>>
open_memory_journal(std::shared_ptr<memory_disk> disk,
                    memory_journal_options options = {});

} // namespace perdura::persistence
