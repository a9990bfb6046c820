// SPDX-License-Identifier: Apache-2.0
/// The thread that flushes the views of one lane: it begins a flush when the
/// backlog is large enough, or when the oldest turn has waited long enough.
#pragma once

#include "persistence/views/views.hpp"

#include <chrono>
#include <functional>
#include <thread>

namespace perdura::persistence {

/// If a flush fails, the thread ends the process.
class views_writer {
public:
  struct limits {
    // A flush begins when the backlog reaches one of the first two limits.
    // They are large, so that most short-lived instances begin and end within
    // one backlog and are written once. 16 MiB hold some 20,000 of the
    // smallest instances.
    std::size_t bytes = 16U << 20U; ///< Bytes of encoded turns.
    std::size_t instances = 20'000; ///< Instances that the turns change.
    /// A flush also begins this long after a turn was added to an empty
    /// backlog.
    std::chrono::milliseconds age{1000};
    /// Instances in one transaction of a flush; see `views`. While a
    /// transaction is synced, commits of the journal wait for the same disk.
    /// Measured: with 64, flushes make the p99 of a commit 1.2 to 2 times as
    /// long; with one transaction for the whole flush, 3.5 times. `views` uses
    /// larger transactions when many instances are to be flushed. If 20,000
    /// instances were flushed 64 at a time, the fixed costs of the transactions
    /// would be 12 us of CPU time for each orchestration.
    std::size_t slice_instances_min = 64;
    /// How often the storage is measured while nothing is written.
    std::chrono::milliseconds measure{2000};
  };

  /// `measure` is called on the thread after each flush, and every
  /// `limits::measure` while nothing is written. `target` must outlive the
  /// writer.
  views_writer(views& target, limits settings, std::function<void()> measure);

  /// Calls `stop`.
  ~views_writer();

  views_writer(const views_writer&) = delete;
  views_writer& operator=(const views_writer&) = delete;

  /// Starts the thread. Called once.
  void start();

  /// Notifies the thread that turns were added to the views. The thread is
  /// woken only for the first turns since the last flush began, and when the
  /// backlog reaches a limit. May be called from any thread.
  void notify_added();

  /// Ends the thread without flushing.
  void stop();

private:
  void run();

  views& views_;
  const limits limits_;
  std::function<void()> measure_;

  std::mutex mutex_; // Guards the four members below.
  std::condition_variable changed_;
  bool dirty_ = false;         ///< Turns were added since the last flush began.
  bool batch_is_full_ = false; ///< The backlog has reached a limit.
  bool stopping_ = false;
  std::thread thread_;
};

} // namespace perdura::persistence
