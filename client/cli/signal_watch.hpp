/// Waits for SIGINT and SIGTERM on a thread of its own: the first asks for a
/// stop, the second ends the process at once.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

namespace perdura::client {

class signal_watch {
public:
  /// Before any other thread begins: they inherit what it blocks.
  signal_watch();
  ~signal_watch();

  signal_watch(const signal_watch&) = delete;
  signal_watch& operator=(const signal_watch&) = delete;

  /// Returns when the first signal has come.
  void wait();
  bool stop_requested();

private:
  void watch();

  std::mutex mutex_;
  std::condition_variable changed_;
  bool requested_ = false;
  bool ending_ = false;
  std::thread thread_;
};

} // namespace perdura::client
