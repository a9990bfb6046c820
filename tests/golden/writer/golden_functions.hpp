// SPDX-License-Identifier: Apache-2.0
/// The functions of the program that wrote the golden directories.
///
/// Uses the headers of commit 4957661; see ../README.md. Do not adapt it to
/// newer code.
#pragma once

#include <perdura/actors/registry.hpp>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>

namespace perdura::golden {

/// Named gates. An activity or an orchestrator that must not end before the
/// process is killed waits at a gate that is never opened.
class gate_keeper {
public:
  void pass(const std::string& name) {
    std::unique_lock lock(mutex_);
    waiting_.insert(name);
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_.contains(name); });
  }

  void open(const std::string& name) {
    std::lock_guard lock(mutex_);
    open_.insert(name);
    changed_.notify_all();
  }

  bool is_open(const std::string& name) {
    std::lock_guard lock(mutex_);
    return open_.contains(name);
  }

  /// True once a caller waits at the gate, false after 20 s.
  bool await_waiting(const std::string& name) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20),
                             [&] { return waiting_.contains(name); });
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> open_;
  std::set<std::string> waiting_;
};

gate_keeper& gates();

/// If `later` is true, returns the functions of the second program: Retired is
/// missing, Versioned has version 2 in place of version 1, and Changed has
/// other code.
std::shared_ptr<actors::registry> functions_of(bool later);

} // namespace perdura::golden
