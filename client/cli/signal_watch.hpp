/// Waits for SIGINT, SIGTERM and SIGHUP (the terminal was closed) on a thread
/// of its own: the first asks for a stop, another one a second later or more
/// ends the process at once. A thread that knows why the process must not go
/// on wakes who waits, too.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace perdura::client {

class signal_watch {
public:
  /// Before any other thread begins: they inherit what it blocks.
  signal_watch();
  ~signal_watch();

  signal_watch(const signal_watch&) = delete;
  signal_watch& operator=(const signal_watch&) = delete;

  /// Returns when the first signal has come, or a reason to stop.
  void wait();
  /// True if one of them has come within that time.
  bool wait_for(std::chrono::milliseconds time);
  bool stop_requested();

  /// From any thread; the first reason is kept.
  void wake(std::string why);
  /// Empty: none has come.
  std::string reason();

private:
  void watch();
  bool is_over() const; ///< Under the mutex.

  std::mutex mutex_;
  std::condition_variable changed_;
  bool requested_ = false;
  std::string reason_;
  std::chrono::steady_clock::time_point requested_at_;
  bool ending_ = false;
  std::thread thread_;
};

} // namespace perdura::client
