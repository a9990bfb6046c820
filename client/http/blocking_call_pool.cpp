// SPDX-License-Identifier: Apache-2.0
#include "client/http/blocking_call_pool.hpp"

#include "persistence/process/process_end.hpp"
#include "persistence/process/thread_start.hpp"

#include <system_error>

namespace perdura::client {

blocking_call_pool::blocking_call_pool(std::size_t threads_max,
                                       std::size_t waiting_max)
  : threads_max_(threads_max), waiting_max_(waiting_max) {}

blocking_call_pool::~blocking_call_pool() {
  stop();
}

void blocking_call_pool::stop() {
  // The dropped calls are destroyed after the lock has been released, because
  // destructors of captures may call `submit`.
  std::deque<std::function<void()>> dropped;
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    dropped.swap(waiting_);
    threads.swap(threads_);
  }
  // Each thread ends after the call that it is running, because `work` checks
  // `ending_` before it takes the next call.
  changed_.notify_all();
  for (std::thread& thread : threads)
    thread.join();
}

bool blocking_call_pool::submit(std::function<void()> call) {
  {
    const std::lock_guard lock(mutex_);
    if (ending_ || waiting_.size() >= waiting_max_)
      return false;
    waiting_.push_back(std::move(call));
    // A new thread is started only if there are more queued calls than idle
    // threads.
    if (idle_ < waiting_.size() && threads_.size() < threads_max_)
      try {
        threads_.emplace_back([this] {
          persistence::run_thread_body("a query of the HTTP API",
                                       [this] { work(); });
        });
      } catch (const std::system_error&) {
        persistence::note_refused_thread("queries of the HTTP API");
        // The threads that exist take the call. Without any the call fails.
        if (threads_.empty()) {
          waiting_.pop_back();
          return false;
        }
      }
  }
  changed_.notify_one();
  return true;
}

void blocking_call_pool::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    // The lock is held throughout the loop, except while a call runs.
    ++idle_;
    changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    --idle_;
    // Calls that are still queued have been dropped by `stop`.
    if (ending_)
      return;
    auto call = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    call();
    // Destroyed without the lock, because destructors of captures may call
    // `submit`.
    call = nullptr;
    lock.lock();
  }
}

} // namespace perdura::client
