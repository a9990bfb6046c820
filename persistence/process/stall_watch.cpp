// SPDX-License-Identifier: Apache-2.0
#include "persistence/process/stall_watch.hpp"

#include "persistence/process/logging.hpp"
#include "persistence/process/process_end.hpp"
#include "persistence/process/sync_watch.hpp"

#include <algorithm>

namespace perdura::persistence {

namespace {

// How often the writes are looked at: a stall is noticed at most this much
// later than its limit.
constexpr std::chrono::milliseconds interval_max{1'000};
constexpr std::chrono::milliseconds interval_min{50};

} // namespace

std::string stalled_sentence(std::chrono::steady_clock::duration time) {
  return "A write to the disk has not ended for "
         + std::to_string(
           std::chrono::duration_cast<std::chrono::seconds>(time).count())
         + " seconds. Requests that change an instance wait for it. Check the "
           "disk.";
}

stall_watch::stall_watch(std::chrono::steady_clock::duration limit)
  : limit_(limit) {
  thread_ = std::thread(
    [this] { run_thread_body("the watch over writes", [this] { run(); }); });
}

stall_watch::~stall_watch() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void stall_watch::run() {
  const auto interval = std::clamp(
    std::chrono::duration_cast<std::chrono::milliseconds>(limit_ / 4),
    interval_min, interval_max);
  bool is_stalled = false;
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, interval, [this] { return ending_; })) {
    const auto time = sync_watch::of_process().longest();
    if (const bool now = time > limit_; now != is_stalled) {
      is_stalled = now;
      log(log_channel::persistence, now ? log_level::error : log_level::warning,
          now ? stalled_sentence(time)
              : "The write to the disk that had not ended has ended.");
    }
  }
}

} // namespace perdura::persistence
