#include "client/cli/signal_watch.hpp"

#include <pthread.h>

#include <csignal>
#include <cstdlib>
#include <utility>

namespace perdura::client {

namespace {

sigset_t watched() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);

  // Under nohup it is ignored, and stays so.
  struct sigaction hang_up {};

  if (::sigaction(SIGHUP, nullptr, &hang_up) == 0
      && hang_up.sa_handler != SIG_IGN)
    sigaddset(&set, SIGHUP);
  return set;
}

} // namespace

signal_watch::signal_watch() {
  const sigset_t set = watched();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // Who reads our output may leave; that shall not end the node.
  std::signal(SIGPIPE, SIG_IGN);
  thread_ = std::thread([this] { watch(); });
}

signal_watch::~signal_watch() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
  const sigset_t set = watched();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void signal_watch::watch() {
  const sigset_t set = watched();
  while (true) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0)
      continue;
    const std::lock_guard lock(mutex_);
    if (ending_)
      return;
    // Who passes a Ctrl-C on (timeout, a package runner) lets it come twice.
    constexpr auto same_wish = std::chrono::seconds(1);
    const auto now = std::chrono::steady_clock::now();
    if (requested_ && now - requested_at_ < same_wish)
      continue;
    if (requested_)
      std::_Exit(128 + signal); // What is durable, is.
    requested_ = true;
    requested_at_ = now;
    changed_.notify_all();
  }
}

bool signal_watch::is_over() const {
  return requested_ || !reason_.empty();
}

void signal_watch::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return is_over(); });
}

bool signal_watch::wait_for(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, time, [this] { return is_over(); });
}

bool signal_watch::stop_requested() {
  const std::lock_guard lock(mutex_);
  return is_over();
}

void signal_watch::wake(std::string why) {
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
