// SPDX-License-Identifier: Apache-2.0
#include "tests/concurrency/random_scheduler.hpp"

#include <utility>

namespace perdura::tests {

random_scheduler::random_scheduler(unsigned workers, std::uint64_t seed)
  : random_(seed) {
  for (unsigned i = 0; i < workers; ++i)
    threads_.emplace_back([this] { work(); });
}

random_scheduler::~random_scheduler() {
  stop();
}

std::shared_ptr<serial_queue> random_scheduler::make_queue() {
  return std::make_shared<serial_queue>(*this);
}

void random_scheduler::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  for (std::thread& each : threads_)
    if (each.joinable())
      each.join();
  // The queues are destroyed without the mutex, because a function that is
  // destroyed with its queue may own other queues.
  std::vector<std::shared_ptr<serial_queue>> dropped;
  const std::lock_guard lock(mutex_);
  dropped.swap(ready_);
}

void random_scheduler::add_ready(std::shared_ptr<serial_queue> queue) {
  const std::lock_guard lock(mutex_);
  if (stopping_)
    return;
  ready_.push_back(std::move(queue));
  changed_.notify_one();
}

void random_scheduler::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !ready_.empty(); });
    if (stopping_)
      return;
    std::swap(ready_[random_() % ready_.size()], ready_.back());
    const std::shared_ptr<serial_queue> next = std::move(ready_.back());
    ready_.pop_back();
    const std::size_t count_max = 1 + random_() % 8;
    lock.unlock();
    next->run(count_max);
    lock.lock();
  }
}

void serial_queue::post(std::function<void()> function) {
  {
    const std::lock_guard lock(mutex_);
    functions_.push_back(std::move(function));
    if (is_ready_)
      return;
    is_ready_ = true;
  }
  scheduler_.add_ready(shared_from_this());
}

void serial_queue::run(std::size_t count_max) {
  for (std::size_t i = 0; i < count_max; ++i) {
    std::function<void()> next;
    {
      const std::lock_guard lock(mutex_);
      if (functions_.empty()) {
        is_ready_ = false;
        return;
      }
      next = std::move(functions_.front());
      functions_.pop_front();
    }
    next();
  }
  scheduler_.add_ready(shared_from_this());
}

} // namespace perdura::tests
