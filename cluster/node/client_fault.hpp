// SPDX-License-Identifier: Apache-2.0
/// The fault of a client process: an exception of Perdura's own code on one of
/// its threads.
#pragma once

#include "actors/interface/actor_faults.hpp"
#include "persistence/process/logging.hpp"
#include "persistence/process/process_end.hpp"
#include <perdura/persistence/records/error.hpp>

#include <exception>
#include <functional>
#include <mutex>
#include <string>

namespace perdura::cluster {

/// The process goes on, because it belongs to the caller; this
/// connection is closed for good.
class client_fault {
public:
  client_fault()
    : sentence_("The gateway to the cluster has failed, and answers no more. "
                "The log has the reason. Close it and connect again.") {}

  /// Sets what `report` closes. The function is called at most once.
  void set(std::function<void(const std::string&)> close) {
    const std::lock_guard lock(mutex_);
    close_ = std::move(close);
  }

  /// Called on the thread that has failed.
  void report(const std::string& where,
              const std::exception_ptr& cause) noexcept {
    std::function<void(const std::string&)> close;
    {
      const std::lock_guard lock(mutex_);
      failed_ = true;
      close.swap(close_);
    }
    try {
      persistence::log(persistence::log_channel::cluster,
                       persistence::log_level::error,
                       failure_text(where, cause) + ' ' + sentence_);
    } catch (...) {
      // Without memory for the line the callers still get the sentence.
    }
    // The sentence exists since the start, so a second attempt seldom fails.
    for (int attempts = 0; close && attempts < 3; ++attempts)
      try {
        close(sentence_);
        return;
      } catch (...) {
        // Without memory for the copy of the sentence; nothing has changed.
      }
  }

  /// @error errc::internal  `report` was called.
  persistence::result<void> check() const {
    const std::lock_guard lock(mutex_);
    if (failed_)
      return persistence::error{persistence::errc::internal, sentence_};
    return {};
  }

private:
  static std::string failure_text(const std::string& where,
                                  const std::exception_ptr& cause) {
    return "An exception in " + where + ": "
           + persistence::exception_text(cause) + '.';
  }

  const std::string sentence_;
  mutable std::mutex mutex_;
  bool failed_ = false;
  std::function<void(const std::string&)> close_;
};

} // namespace perdura::cluster
