// SPDX-License-Identifier: Apache-2.0
#include "client/cli/signal_watch.hpp"

#include "persistence/process/process_end.hpp"
#include "persistence/process/sync_watch.hpp"

#include <pthread.h>

#include <csignal>
#include <cstdlib>
#include <utility>

namespace perdura::client {

namespace {

/// The signals that request a stop.
sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);

  // nohup(1) starts a program with SIGHUP ignored; SIGHUP must then stay
  // ignored.
  struct sigaction hangup_action {};

  if (::sigaction(SIGHUP, nullptr, &hangup_action) == 0
      && hangup_action.sa_handler != SIG_IGN)
    sigaddset(&set, SIGHUP);
  return set;
}

} // namespace

signal_watch::signal_watch() {
  const sigset_t set = watched_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // A closed output pipe must not end the node.
  std::signal(SIGPIPE, SIG_IGN);
  thread_ = std::thread([this] {
    persistence::run_thread_body("the watch over signals", [this] { watch(); });
  });
}

signal_watch::~signal_watch() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  // The signal ends the thread's sigwait; the thread then finds `ending_` set
  // and returns.
  pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
  const sigset_t set = watched_signals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void signal_watch::limit_stalled_stop(
  std::chrono::steady_clock::duration patience,
  std::chrono::steady_clock::duration stall_time) {
  const std::lock_guard lock(mutex_);
  patience_ = patience;
  stall_time_ = stall_time;
}

bool signal_watch::is_stop_stalled() {
  const std::lock_guard lock(mutex_);
  return requested_ && patience_ && !ending_
         && std::chrono::steady_clock::now() - requested_at_ > *patience_
         && persistence::sync_watch::of_process().longest() > stall_time_;
}

/// Runs on the watching thread until the destructor wakes it by SIGTERM.
void signal_watch::watch() {
  const sigset_t set = watched_signals();
  // Once a stop was requested, the thread looks from time to time whether the
  // stop is stalled.
  bool is_stopping = false;
  while (true) {
    constexpr timespec step{0, 200'000'000};
    const int signal = is_stopping ? ::sigtimedwait(&set, nullptr, &step)
                                   : ::sigwaitinfo(&set, nullptr);
    if (is_stopping && is_stop_stalled())
      persistence::end_stalled(
        "The process ends although a write to the disk has not ended: a stop "
        "was requested, and the disk does not answer. Everything acknowledged "
        "so far is durable; check the disk and start the node again.");
    if (signal < 0)
      continue;
    const std::lock_guard lock(mutex_);
    if (ending_)
      return;
    // If the parent forwards Ctrl-C, as timeout(1) does, the signal arrives
    // twice. Both signals count as one request.
    constexpr auto repeat_window = std::chrono::seconds(1);
    const auto now = std::chrono::steady_clock::now();
    if (requested_ && now - requested_at_ < repeat_window)
      continue;
    if (requested_)
      std::_Exit(128 + signal); // Safe: committed data survives a kill.
    requested_ = is_stopping = true;
    requested_at_ = now;
    changed_.notify_all();
  }
}

bool signal_watch::must_stop() const {
  return requested_ || !reason_.empty();
}

void signal_watch::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return must_stop(); });
}

bool signal_watch::wait_for(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, time, [this] { return must_stop(); });
}

bool signal_watch::stop_requested() {
  const std::lock_guard lock(mutex_);
  return must_stop();
}

void signal_watch::request_stop(std::string why) {
  const std::lock_guard lock(mutex_);
  if (reason_.empty())
    reason_ = std::move(why);
  changed_.notify_all();
}

std::string signal_watch::reason() {
  const std::lock_guard lock(mutex_);
  return reason_;
}

} // namespace perdura::client
