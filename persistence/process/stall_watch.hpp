// SPDX-License-Identifier: Apache-2.0
/// Logs that a write to the disk hangs: the thread that waits for it cannot.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace perdura::persistence {

/// The sentence about a write that has been in progress for this time.
std::string stalled_sentence(std::chrono::steady_clock::duration time);

/// Looks at `sync_watch` of the process on a thread of its own. Logs one line
/// when a write has been in progress for longer than a limit, and one when no
/// such write is left.
class stall_watch {
public:
  /// Starts the thread. `limit` is the time after which a write is stalled.
  explicit stall_watch(std::chrono::steady_clock::duration limit);

  /// Ends the thread.
  ~stall_watch();

  stall_watch(const stall_watch&) = delete;
  stall_watch& operator=(const stall_watch&) = delete;

private:
  void run();

  const std::chrono::steady_clock::duration limit_;
  std::mutex mutex_; // Guards `ending_`.
  std::condition_variable changed_;
  bool ending_ = false;
  std::thread thread_;
};

} // namespace perdura::persistence
