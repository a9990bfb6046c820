#include "persistence/views/views_writer.hpp"

#include "persistence/process/logging.hpp"
#include "persistence/process/thread_role.hpp"

namespace perdura::persistence {

views_writer::views_writer(views& target, limits when,
                           std::function<void()> measure)
  : views_(target), when_(when), measure_(std::move(measure)) {}

views_writer::~views_writer() {
  stop();
}

void views_writer::start() {
  thread_ = std::thread([this] { run(); });
}

void views_writer::notice() {
  const views::backlog waiting = views_.waiting();
  const bool much
    = waiting.bytes >= when_.bytes || waiting.instances >= when_.instances;
  std::lock_guard lock(mutex_);
  const bool wake = !dirty_ || (much && !much_);
  dirty_ = true;
  much_ = much_ || much;
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

void views_writer::run() {
  enter_thread_role("views");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!changed_.wait_for(lock, when_.measure,
                           [this] { return dirty_ || stopping_; })) {
      lock.unlock();
      measure_();
      lock.lock();
      continue;
    }
    changed_.wait_for(lock, when_.age, [this] { return much_ || stopping_; });
    if (stopping_)
      return;
    dirty_ = much_ = false;
    lock.unlock();
    const auto flushed = views_.flush();
    if (!flushed && flushed.code() != errc::shutting_down)
      end_process("the views cannot be brought up to date: "
                  + flushed.error().message);
    measure_();
    lock.lock();
  }
}

} // namespace perdura::persistence
