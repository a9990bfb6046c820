// SPDX-License-Identifier: Apache-2.0
#include "actors/execution/turn_watch.hpp"

#include <perdura/persistence/records/time_arithmetic.hpp>

#include <utility>

namespace perdura::actors {

// `begin` has counted the turn. A turn that ends at the same time either sees
// `needs_wake_`, or has lowered `running_` before `admit_waiting` reads it.
void turn_watch::wait(waiting_turn turn) {
  std::unique_lock lock(mutex_);
  if (!closing_)
    waiting_.push_back(std::move(turn));
  needs_wake_ = true;
  running_.fetch_sub(1);
  admit_waiting(lock);
}

/// Lets the waiting turns begin for which threads are free.
void turn_watch::admit_waiting(std::unique_lock<std::mutex>& lock) {
  while (!waiting_.empty()) {
    if (running_.fetch_add(1) >= turns_max_) {
      running_.fetch_sub(1);
      break;
    }
    note_progress();
    waiting_turn next = std::move(waiting_.front());
    waiting_.pop_front();
    // Without the mutex, because the message may be dropped at once, which
    // calls `end`.
    lock.unlock();
    next();
    next = nullptr;
    lock.lock();
  }
  needs_wake_ = closing_ || !waiting_.empty();
  if (closing_ && running_.load() == 0)
    idle_.notify_all();
}

void turn_watch::wake() {
  std::unique_lock lock(mutex_);
  admit_waiting(lock);
}

std::size_t turn_watch::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

bool turn_watch::wait_idle(duration time_limit) {
  std::deque<waiting_turn> dropped; // destroyed without the mutex
  std::unique_lock lock(mutex_);
  closing_ = true;
  needs_wake_ = true;
  dropped.swap(waiting_);
  const bool is_idle
    = idle_.wait_for(lock, persistence::bounded_wait(time_limit),
                     [this] { return running_.load() == 0; });
  lock.unlock();
  return is_idle;
}

} // namespace perdura::actors
