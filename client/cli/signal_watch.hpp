// SPDX-License-Identifier: Apache-2.0
/// Waits for SIGINT, SIGTERM and SIGHUP on a thread of its own. The first
/// signal requests a stop; a further signal, at least one second later, ends
/// the process at once. A thread of the process can also request a stop, with a
/// reason. If a write to the disk hangs, the stop cannot end, and the process
/// is ended after a time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace perdura::client {

/// Thread-safe.
class signal_watch {
public:
  /// Blocks the signals and starts the thread. Construct it before any other
  /// thread starts, so that all other threads inherit the blocked signals and
  /// only the watching thread receives them. SIGPIPE is ignored from now on.
  signal_watch();

  /// If the process still runs `patience` after the first signal, and a write
  /// to the disk has then been in progress for longer than `stall_time`, the
  /// process ends with exit_code_stalled. Call before the first signal; without
  /// a call, both are unlimited.
  void limit_stalled_stop(std::chrono::steady_clock::duration patience,
                          std::chrono::steady_clock::duration stall_time);

  /// Stops the thread and unblocks the signals.
  ~signal_watch();

  signal_watch(const signal_watch&) = delete;
  signal_watch& operator=(const signal_watch&) = delete;

  /// Returns when a stop was requested.
  void wait();
  /// Waits at most this time; returns true if a stop was requested.
  bool wait_for(std::chrono::milliseconds time);
  /// True if a signal arrived or request_stop was called.
  bool stop_requested();

  /// Requests a stop with a reason, which must not be empty. The first reason
  /// is kept.
  void request_stop(std::string why);
  /// The reason given to request_stop; empty if none was given.
  std::string reason();

private:
  void watch();
  bool must_stop() const; ///< The caller holds the mutex.
  bool is_stop_stalled(); ///< See limit_stalled_stop.

  std::mutex mutex_; ///< Guards all members except the thread.
  std::condition_variable changed_;
  bool requested_ = false; ///< A signal has arrived.
  std::string reason_;
  /// When the first signal arrived; see repeat_window in signal_watch.cpp.
  std::chrono::steady_clock::time_point requested_at_;
  bool ending_ = false; ///< The destructor ends the thread.
  std::optional<std::chrono::steady_clock::duration> patience_;
  std::chrono::steady_clock::duration stall_time_{};
  std::thread thread_;
};

} // namespace perdura::client
