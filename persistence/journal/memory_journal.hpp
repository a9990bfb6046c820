/// The journal's twin in memory: the same promises, encoding and views, no
/// disk. For tests and the simulator.
#pragma once

#include "persistence/journal/crash_switch.hpp"
#include "persistence/journal/laned_journal.hpp"
#include "persistence/stores/map_store.hpp"

namespace perdura::persistence {

/// What is durable, and outlives the journals opened on it.
class memory_disk {
public:
  /// An empty hub; each partition gets a random incarnation.
  explicit memory_disk(hub_identity hub);

  const hub_identity& hub() const {
    return hub_;
  }

  struct lane {
    map_log log;
    map_store rows;
  };

  /// For tests that look at what is stored or damage it.
  lane& at(std::size_t number) {
    return *lanes_.at(number);
  }

private:
  hub_identity hub_;
  std::vector<std::unique_ptr<lane>> lanes_;
};

/// A disk for a hub of so many partitions, with random identity.
std::shared_ptr<memory_disk> make_memory_disk(std::uint32_t partition_count
                                              = 32);

struct memory_journal_options {
  crash_hook crash;
  std::uint64_t storage_bytes_max = 0; ///< 0: no limit.
};

/// Opens what is durable on `disk`; turns that an earlier journal had queued
/// but not committed are gone. Always manual: nothing becomes durable but by
/// `commit`.
result<std::unique_ptr<manual_journal>>
open_memory_journal(std::shared_ptr<memory_disk> disk,
                    memory_journal_options options = {});

} // namespace perdura::persistence
