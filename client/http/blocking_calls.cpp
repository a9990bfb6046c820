#include "client/http/blocking_calls.hpp"

namespace perdura::client {

blocking_calls::blocking_calls(std::size_t threads_max, std::size_t waiting_max)
  : threads_max_(threads_max), waiting_max_(waiting_max) {}

blocking_calls::~blocking_calls() {
  stop();
}

void blocking_calls::stop() {
  std::deque<std::function<void()>> dropped;
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    dropped.swap(waiting_);
    threads.swap(threads_);
  }
  changed_.notify_all();
  for (std::thread& thread : threads)
    thread.join();
}

bool blocking_calls::submit(std::function<void()> call) {
  {
    const std::lock_guard lock(mutex_);
    if (ending_ || waiting_.size() >= waiting_max_)
      return false;
    waiting_.push_back(std::move(call));
    if (idle_ < waiting_.size() && threads_.size() < threads_max_)
      threads_.emplace_back([this] { work(); });
  }
  changed_.notify_one();
  return true;
}

void blocking_calls::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    --idle_;
    if (ending_)
      return;
    auto call = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    call();
    call = nullptr; // What it held may ask for the lock.
    lock.lock();
  }
}

} // namespace perdura::client
