// SPDX-License-Identifier: Apache-2.0
#include "persistence/process/space_wait.hpp"

#include "persistence/process/logging.hpp"

#include <thread>

namespace perdura::persistence {

space_wait::~space_wait() {
  if (waiting_)
    log(log_channel::persistence, log_level::info,
        std::string(what_) + " can be written again");
}

void space_wait::wait(const std::string& reason) {
  if (!waiting_) {
    waiting_.emplace(sync_watch::of_process());
    log(log_channel::persistence, log_level::error,
        std::string(what_) + " cannot be written: " + reason
          + ". The write is tried again until there is space; nothing is lost");
  }
  std::this_thread::sleep_for(space_wait_time);
}

} // namespace perdura::persistence
