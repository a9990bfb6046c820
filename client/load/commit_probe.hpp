// SPDX-License-Identifier: Apache-2.0
/// Measures how long one journal commit takes on a disk at this moment. Rates
/// and latencies of a benchmark depend on the disk, so the probe's time is
/// reported with them as a reference.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <filesystem>
#include <memory>
#include <vector>

namespace perdura::persistence {
class journal;
} // namespace perdura::persistence

namespace perdura::client {

/// A journal that is used only for the measurement. Not thread-safe.
class commit_probe {
public:
  /// Opens a journal for the probe in a folder that does not exist yet, with
  /// the LMDB flags that a node uses. Starts threads.
  /// @error the errors of persistence::create_hub and
  /// persistence::open_lmdb_journal
  static persistence::result<std::unique_ptr<commit_probe>>
  open(const std::filesystem::path& folder);

  /// Closes the journal. The caller removes the folder.
  ~commit_probe();

  commit_probe(const commit_probe&) = delete;
  commit_probe& operator=(const commit_probe&) = delete;

  /// Commits `count` turns, one after the other: each turn is enqueued when the
  /// previous one is durable. Returns the time of each commit in microseconds.
  std::vector<double> run(std::size_t count);

private:
  class durable_position;

  commit_probe();

  /// Declared before the journal, because the journal's committer thread uses
  /// it.
  std::unique_ptr<durable_position> durable_;
  std::unique_ptr<persistence::journal> journal_;
  std::uint64_t sequence_ = 0; ///< Turns so far.
};

} // namespace perdura::client
