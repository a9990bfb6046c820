// SPDX-License-Identifier: Apache-2.0
/// Work on a data directory that is recorded, and the check of a directory
/// after a power failure during it.
#pragma once

#include "persistence/journal/lmdb_journal.hpp"
#include "tests/persistence/journal_harness.hpp"
#include "tests/persistence/storage_kinds.hpp"

#include "campaigns/disk_recorder.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace perdura::tests {

/// The promises at one moment of a workload.
struct durable_progress {
  bool is_created = false; ///< The creation of the hub has returned.
  /// The last position that was reported as durable, by lane.
  std::vector<persistence::journal_position> reported;
  std::size_t appended = 0; ///< Turns of the workload, of all lanes.
};

/// Random turns on one data directory, committed and flushed in random steps.
/// The same seed gives the same steps. Not thread-safe.
class power_workload {
public:
  /// @param directory   The data directory.
  /// @param turns       The turns that it may contain; see `open`.
  /// @param is_created  The creation of the hub has returned.
  power_workload(std::filesystem::path directory, persistence::hub_identity hub,
                 std::uint64_t seed,
                 std::vector<persistence::turn_writes> turns, bool is_created);

  /// Creates the hub, or does an interrupted creation again.
  /// @return The sentence of the error; empty on success.
  std::string create();

  /// Opens the journal, and compares it with the turns. Turns that are not in
  /// the journal are dropped from the workload: a power failure has lost them.
  /// @param least  The promises of the last moment. All moments before the
  /// first
  ///               opening get the positions that are found now.
  /// @return A sentence that begins with the kind of the failure; else empty.
  std::string open(const durable_progress& least);

  /// Commits some turns and flushes views in between; `steps` times one or the
  /// other.
  void work(std::size_t steps);

  /// Closes the journal: as a node that stops if `is_orderly`, else as a
  /// process that was killed.
  void close(bool is_orderly);

  /// Compares all reads with the turns of the workload.
  std::string first_difference();

  /// The moments that were marked in the record: element i was marked with the
  /// number i.
  const std::vector<durable_progress>& moments() const {
    return moments_;
  }

  /// The recorder gets a mark for each moment; null means none.
  void mark_in(disk_recorder* recorder);

  /// Calls `observe` at each moment from now on, before the work goes on.
  void on_moment(std::function<void(const durable_progress&)> observe) {
    observe_ = std::move(observe);
  }

  const std::vector<persistence::turn_writes>& turns() const {
    return turns_;
  }

  const persistence::hub_identity& hub() const {
    return hub_;
  }

private:
  persistence::turn_writes next_turn();
  void commit_some();
  void flush(bool trim);
  void note();
  std::uint32_t lane_of(const persistence::turn_writes& turn) const;

  const std::filesystem::path directory_;
  const persistence::hub_identity hub_;
  persistence::testing::turn_generator generator_;
  std::vector<persistence::turn_writes> turns_;
  persistence::testing::model model_;
  durable_progress now_;
  std::vector<durable_progress> moments_;
  disk_recorder* recorder_ = nullptr;
  std::function<void(const durable_progress&)> observe_;
  bool was_opened_ = false;
  bool commits_in_flush_ = false;
  std::unique_ptr<persistence::manual_journal> journal_;
};

} // namespace perdura::tests
