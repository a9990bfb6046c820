/// Many calls that answer later, so many of them at once.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>

namespace perdura::benchmarks {

class call_window {
public:
  /// Reports its end once, on any thread.
  using ended = std::function<void(bool ok)>;
  using call = std::function<void(std::size_t number, ended)>;

  explicit call_window(std::size_t in_flight) : in_flight_(in_flight) {}

  call_window(const call_window&) = delete;
  call_window& operator=(const call_window&) = delete;

  /// Calls 0, 1, … while `more` says so. Returns when all have ended, with
  /// the number of those that failed.
  std::size_t run(const std::function<bool(std::size_t number)>& more,
                  const call& one) {
    for (std::size_t i = 0; more(i); ++i) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return out_ < in_flight_; });
        ++out_;
      }
      one(i, [this](bool ok) {
        const std::lock_guard lock(mutex_);
        --out_;
        failed_ += ok ? 0 : 1;
        changed_.notify_all();
      });
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return out_ == 0; });
    return failed_;
  }

private:
  std::size_t in_flight_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t out_ = 0;
  std::size_t failed_ = 0;
};

} // namespace perdura::benchmarks
