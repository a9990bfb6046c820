// SPDX-License-Identifier: Apache-2.0
/// Which writes to the disk are in progress, so that a disk that hangs is seen
/// while it hangs: the thread that waits for it cannot report.
#pragma once

#include <chrono>
#include <mutex>
#include <set>

namespace perdura::persistence {

/// The disk writes of this process that have begun and not ended. Thread-safe.
class sync_watch {
public:
  using time_point = std::chrono::steady_clock::time_point;

  /// The watch of this process. Never destroyed.
  static sync_watch& of_process() {
    static auto* const watch = new sync_watch;
    return *watch;
  }

  /// How long the oldest write has been in progress at `now`; zero if none is.
  std::chrono::steady_clock::duration
  longest(time_point now = std::chrono::steady_clock::now()) const {
    const std::lock_guard lock(mutex_);
    if (running_.empty() || now < *running_.begin())
      return {};
    return now - *running_.begin();
  }

  /// One write; its lifetime is that of the object.
  class running {
  public:
    explicit running(sync_watch& watch,
                     time_point now = std::chrono::steady_clock::now())
      : watch_(watch) {
      const std::lock_guard lock(watch_.mutex_);
      entry_ = watch_.running_.insert(now);
    }

    ~running() {
      const std::lock_guard lock(watch_.mutex_);
      watch_.running_.erase(entry_);
    }

    running(const running&) = delete;
    running& operator=(const running&) = delete;

  private:
    sync_watch& watch_;
    std::multiset<time_point>::iterator entry_;
  };

private:
  mutable std::mutex mutex_;
  std::multiset<time_point> running_;
};

} // namespace perdura::persistence
