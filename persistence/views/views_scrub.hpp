// SPDX-License-Identifier: Apache-2.0
/// Reads all rows of the views of one lane again and again, slowly, so that a
/// damaged row is found before it is needed. Nothing is written.
#pragma once

#include "persistence/stores/row_store.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace perdura::persistence {

/// A pass over all rows in steps. Each step reads in a transaction of its own,
/// so no transaction keeps old pages from being reused for long.
///
/// For each row its checksum is verified, that it is found by its key, and that
/// it agrees with the rows that one transaction writes together with it: the
/// record with its index rows and the end of its history, a task with its index
/// row, and each index row with its instance or task.
///
/// Not thread-safe.
class views_scrub {
public:
  explicit views_scrub(const row_store& rows) : store_(rows) {}

  /// The result of a step.
  struct progress {
    std::uint64_t rows = 0;          ///< Rows read.
    bool is_complete = false;        ///< The pass has ended with this step.
    std::vector<std::string> damage; ///< A sentence for each damaged row.
  };

  /// Reads the next rows, at most `rows_max`. After the end of a pass the next
  /// one begins.
  progress step(std::size_t rows_max);

private:
  const row_store& store_;
  std::size_t table_ = 0; ///< The table that is being read.
  std::string after_;     ///< The last key read in it; empty at its begin.
};

/// The thread that scrubs the views of one lane.
class views_scrubber {
public:
  struct limits {
    /// Share of one core that the thread may use; 0 means no thread.
    double cpu_share = 0.01;
    /// Rows of one step: about a millisecond of work.
    std::size_t rows_per_step = 256;
    /// Pause after a complete pass.
    std::chrono::milliseconds pause_after_pass{60'000};
  };

  /// `rows` must outlive the scrubber. `report` is called on the thread for
  /// each damaged row when it is found for the first time.
  views_scrubber(const row_store& rows, limits settings,
                 std::function<void(const std::string&)> report);

  /// Calls `stop`.
  ~views_scrubber();

  views_scrubber(const views_scrubber&) = delete;
  views_scrubber& operator=(const views_scrubber&) = delete;

  /// Starts the thread. Called once.
  void start();
  void stop();

  // Totals since the start; thread-safe.

  std::uint64_t rows() const {
    return row_count_;
  }

  std::uint64_t passes() const {
    return pass_count_;
  }

  std::uint64_t damaged() const {
    return damage_count_;
  }

private:
  void run();
  bool scrub_once();

  views_scrub scrub_;
  const limits limits_;
  std::function<void(const std::string&)> report_;
  std::set<std::string> known_; ///< Reported; at most `known_damage_max`.
  std::atomic<std::uint64_t> row_count_{0};
  std::atomic<std::uint64_t> pass_count_{0};
  std::atomic<std::uint64_t> damage_count_{0};
  std::mutex mutex_; ///< Guards `stopping_`.
  std::condition_variable changed_;
  bool stopping_ = false;
  std::thread thread_;
};

} // namespace perdura::persistence
