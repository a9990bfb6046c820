// SPDX-License-Identifier: Apache-2.0
/// Runs functions on worker threads in a random order that a seed determines,
/// as far as the threads allow. Replaces the scheduler of CAF in tests under
/// ThreadSanitizer, because the CAF library is not instrumented.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

namespace perdura::tests {

class serial_queue;

/// A fixed number of worker threads. Whenever a worker is free, it takes one of
/// the queues that have work, chosen at random, and runs some of its functions.
/// Thread-safe, except that `stop` is called by one thread.
class random_scheduler {
public:
  random_scheduler(unsigned workers, std::uint64_t seed);

  /// Calls `stop`.
  ~random_scheduler();

  random_scheduler(const random_scheduler&) = delete;
  random_scheduler& operator=(const random_scheduler&) = delete;

  /// Makes a queue. Its functions run one at a time and in their order.
  std::shared_ptr<serial_queue> make_queue();

  /// Waits for the functions that are running and ends the threads. Functions
  /// that have not begun never run. Idempotent.
  void stop();

private:
  friend class serial_queue;

  void add_ready(std::shared_ptr<serial_queue> queue);
  void work();

  std::mutex mutex_; ///< Guards the three members below.
  std::vector<std::shared_ptr<serial_queue>> ready_;
  std::mt19937_64 random_;
  bool stopping_ = false;
  std::condition_variable changed_;
  std::vector<std::thread> threads_;
};

/// The mailbox of one partition or one instance.
class serial_queue : public std::enable_shared_from_this<serial_queue> {
public:
  explicit serial_queue(random_scheduler& scheduler) : scheduler_(scheduler) {}

  /// Appends a function. May be called from any thread.
  void post(std::function<void()> function);

private:
  friend class random_scheduler;

  /// Runs at most `count_max` functions. Called by one worker at a time.
  void run(std::size_t count_max);

  random_scheduler& scheduler_;
  std::mutex mutex_; ///< Guards the two members below.
  std::deque<std::function<void()>> functions_;
  bool is_ready_ = false; ///< The scheduler holds or runs this queue.
};

} // namespace perdura::tests
