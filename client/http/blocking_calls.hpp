/// A few threads for calls that block, so that no socket waits for them.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace perdura::client {

class blocking_calls {
public:
  /// Threads begin with the first call.
  explicit blocking_calls(std::size_t threads_max = 2,
                          std::size_t waiting_max = 256);

  /// Only after `stop`, or on a thread that is none of these.
  ~blocking_calls();

  blocking_calls(const blocking_calls&) = delete;
  blocking_calls& operator=(const blocking_calls&) = delete;

  /// False if too many wait already, or after `stop`.
  [[nodiscard]] bool submit(std::function<void()> call);

  /// Waits for the calls under way, drops the others. Not from a call.
  void stop();

private:
  void work();

  std::size_t threads_max_;
  std::size_t waiting_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool ending_ = false;
};

} // namespace perdura::client
