// SPDX-License-Identifier: Apache-2.0
/// A pool of threads for calls that block, so that the threads of the HTTP
/// server never block.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace perdura::client {

/// Thread-safe, except for the destructor.
class blocking_call_pool {
public:
  /// Threads are started when calls need them.
  /// @param threads_max  The largest number of threads.
  /// @param waiting_max  The largest number of calls in the queue.
  explicit blocking_call_pool(std::size_t threads_max = 2,
                              std::size_t waiting_max = 256);

  /// Calls `stop`. Must not run on a thread of the pool, unless `stop` has
  /// been called before.
  ~blocking_call_pool();

  blocking_call_pool(const blocking_call_pool&) = delete;
  blocking_call_pool& operator=(const blocking_call_pool&) = delete;

  /// Queues a call. Returns false, and does not run the call, if the queue is
  /// full, if the system refuses the first thread, or after `stop`.
  [[nodiscard]] bool submit(std::function<void()> call);

  /// Drops the queue and blocks until the running calls have ended. Must not
  /// be called on a thread of the pool. Idempotent.
  void stop();

private:
  void work();

  std::size_t threads_max_;
  std::size_t waiting_max_;
  std::mutex mutex_; ///< Guards the members below.
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0; ///< Threads that wait for a call.
  bool ending_ = false;
};

} // namespace perdura::client
