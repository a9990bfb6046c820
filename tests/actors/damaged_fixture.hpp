// SPDX-License-Identifier: Apache-2.0
/// A node of two partitions whose rows a test damages and repairs.
#pragma once

#include "persistence/journal/memory_journal.hpp"
#include "persistence/views/rows.hpp"
#include "tests/actors/partition_fixture.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace perdura::tests {

struct damaged_fixture : partition_fixture {
  damaged_fixture() : damaged_fixture(persistence::make_memory_disk(2)) {}

  explicit damaged_fixture(std::shared_ptr<persistence::memory_disk> used)
    : partition_fixture(options_on(used)), disk(std::move(used)) {}

  // The checks at a start compare all reads with the model.
  ~damaged_fixture() {
    std::erase_if(node.violations, [](const std::string& violation) {
      return violation.find("does not read as it was written")
               != std::string::npos
             || violation.find("the turns due differ") != std::string::npos;
    });
  }

  static node_options
  options_on(std::shared_ptr<persistence::memory_disk> disk) {
    node_options options;
    options.partitions = 2;
    options.open = [disk](persistence::crash_hook hook) {
      persistence::memory_journal_options settings;
      settings.crash = std::move(hook);
      return persistence::open_memory_journal(disk, settings).value();
    };
    return options;
  }

  persistence::instance_id id_in(partition_id partition, int which = 0) {
    for (int i = 0;; ++i) {
      const persistence::instance_id id = "id-" + std::to_string(i);
      if (node.partition_of(id) == partition && which-- == 0)
        return id;
    }
  }

  persistence::row_map& rows(persistence::table t) {
    return disk->at(0).rows.rows(t);
  }

  static void flip(std::string& row) {
    row[3] ^= 4;
  }

  std::string key(const persistence::instance_id& id,
                  persistence::row_kind kind) {
    return persistence::instance_key(node.partition_of(id), id, kind);
  }

  /// Flips a bit of the record in the views. The instance is not in memory
  /// afterwards.
  void damage(const persistence::instance_id& id) {
    node.run_until_idle();
    node.flush_views();
    flip(rows(persistence::table::instances)
           .at(key(id, persistence::row_kind::record)));
    restart();
  }

  void restart() {
    node.turns.clear();
    node.crash_and_recover();
    node.run_until_idle();
  }

  void repair(const persistence::instance_id& id) {
    flip(rows(persistence::table::instances)
           .at(key(id, persistence::row_kind::record)));
  }

  persistence::partition_sequence turns_of(partition_id partition) {
    return node.model().now(partition).meta.sequence;
  }

  bool is_stuck(const persistence::instance_id& id) {
    const auto list = node.partition(node.partition_of(id)).stuck();
    return std::any_of(list.begin(), list.end(), [&](const auto& one) {
      return one.first == id
             && one.second.find("of table") != std::string::npos;
    });
  }

  actors::partition_message event_from_p1(std::uint64_t sequence,
                                          const persistence::instance_id& to,
                                          const std::string& data) {
    return {p1, {p0, sequence, to, persistence::event_send{"E", data}}};
  }

  std::shared_ptr<persistence::memory_disk> disk;
};

} // namespace perdura::tests
