/// The thread that brings a lane's views up to date, in large batches: when
/// much waits, or when it has waited long enough.
#pragma once

#include "persistence/views/views.hpp"

#include <chrono>
#include <functional>
#include <thread>

namespace perdura::persistence {

class views_writer {
public:
  struct limits {
    // A short-lived instance should begin and end within one batch; 16 MiB
    // are some 20,000 of the smallest.
    std::size_t bytes = 16U << 20U;
    std::size_t instances = 20'000;
    std::chrono::milliseconds age{1000};
    /// In one transaction; see `views`. While one is synced, the journal's
    /// commits wait for the same disk: with 64 in each, p99 of a commit beside
    /// lists is 1.2 to 2 times that without, with all in one 3.5 times. 64 of
    /// 20,000 would cost 12 us an orchestration.
    std::size_t slice_instances_min = 64;
    /// How often free room is measured while nothing is written.
    std::chrono::milliseconds measure{2000};
  };

  /// `measure` is called after each flush and now and then.
  views_writer(views& target, limits when, std::function<void()> measure);
  ~views_writer();

  views_writer(const views_writer&) = delete;
  views_writer& operator=(const views_writer&) = delete;

  void start();

  /// Something was added to the views.
  void notice();

  /// Ends the thread; flushes nothing.
  void stop();

private:
  void run();

  views& views_;
  const limits when_;
  std::function<void()> measure_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool dirty_ = false;
  bool much_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

} // namespace perdura::persistence
