// SPDX-License-Identifier: Apache-2.0
#include "persistence/views/views_writer.hpp"

#include "persistence/process/process_end.hpp"
#include "persistence/process/thread_role.hpp"

namespace perdura::persistence {

views_writer::views_writer(views& target, limits settings,
                           std::function<void()> measure)
  : views_(target), limits_(settings), measure_(std::move(measure)) {}

views_writer::~views_writer() {
  stop();
}

void views_writer::start() {
  thread_ = std::thread(
    [this] { run_thread_body("the views thread", [this] { run(); }); });
}

void views_writer::notify_added() {
  const views::backlog backlog = views_.current_backlog();
  const bool is_full
    = backlog.bytes >= limits_.bytes || backlog.instances >= limits_.instances;
  // The thread waits for the first turns after a flush, and then for a full
  // backlog. Other turns need no notification.
  std::lock_guard lock(mutex_);
  const bool wake = !dirty_ || (is_full && !batch_is_full_);
  dirty_ = true;
  batch_is_full_ = batch_is_full_ || is_full;
  if (wake)
    changed_.notify_one();
}

void views_writer::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable())
    thread_.join();
}

/// The loop of the thread. It holds `mutex_` except while it flushes or
/// measures.
void views_writer::run() {
  enter_thread_role("views");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!changed_.wait_for(lock, limits_.measure,
                           [this] { return dirty_ || stopping_; })) {
      lock.unlock();
      measure_();
      lock.lock();
      continue;
    }
    // Turns were added: waits until the backlog is full or old enough.
    changed_.wait_for(lock, limits_.age,
                      [this] { return batch_is_full_ || stopping_; });
    if (stopping_)
      return;
    // Reset before the flush: turns that are added during it belong to the next
    // one.
    dirty_ = batch_is_full_ = false;
    lock.unlock();
    // A flush fails with errc::shutting_down only if a test injects a crash;
    // the test process must then continue. It fails with errc::storage_full
    // only while the journal is closed.
    const auto flushed = views_.flush();
    if (!flushed && flushed.code() != errc::shutting_down
        && flushed.code() != errc::storage_full)
      end_process("the views could not be flushed: " + flushed.error().message);
    measure_();
    lock.lock();
  }
}

} // namespace perdura::persistence
