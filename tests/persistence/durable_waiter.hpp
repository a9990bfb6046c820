// SPDX-License-Identifier: Apache-2.0
/// A listener with which a test waits for the threads of a journal.
#pragma once

#include "persistence/records/ids.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace perdura::persistence::testing {

/// Waits until the threads of a journal have reported a durable position.
/// Thread-safe.
class durable_waiter {
public:
  void report(journal_position position) {
    std::lock_guard lock(mutex_);
    position_ = std::max(position_, position);
    ++calls_;
    changed_.notify_all();
  }

  void wait_for(journal_position position) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return position_ >= position; });
  }

  /// Number of reports so far.
  std::uint64_t calls() {
    std::lock_guard lock(mutex_);
    return calls_;
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  journal_position position_ = 0;
  std::uint64_t calls_ = 0;
};

} // namespace perdura::persistence::testing
