// SPDX-License-Identifier: Apache-2.0
/// Runs asynchronous calls with a fixed number of them in flight.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>

namespace perdura::benchmarks {

/// A closed loop: starts the next call as soon as fewer than `in_flight` calls
/// are pending. One thread calls run(). The calls can complete on any thread.
class call_window {
public:
  /// The completion of a call. The call must invoke it exactly once; it may do
  /// so on any thread.
  using completion = std::function<void(bool ok)>;
  /// Starts call `number`; returns without waiting for its completion.
  using call = std::function<void(std::size_t number, completion)>;

  explicit call_window(std::size_t in_flight) : in_flight_(in_flight) {}

  call_window(const call_window&) = delete;
  call_window& operator=(const call_window&) = delete;

  /// Starts calls 0, 1, … as long as `more` returns true. Returns the number of
  /// failed calls when all have completed.
  std::size_t run(const std::function<bool(std::size_t number)>& more,
                  const call& one) {
    for (std::size_t i = 0; more(i); ++i) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return pending_ < in_flight_; });
        ++pending_;
      }
      // The completion refers to this object, which stays valid: `run` returns
      // only when no call is pending.
      one(i, [this](bool ok) {
        const std::lock_guard lock(mutex_);
        --pending_;
        failed_ += ok ? 0 : 1;
        changed_.notify_all();
      });
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return pending_ == 0; });
    return failed_;
  }

private:
  std::size_t in_flight_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t pending_ = 0; ///< Calls that have not completed.
  std::size_t failed_ = 0;  ///< Calls that completed with ok = false.
};

} // namespace perdura::benchmarks
