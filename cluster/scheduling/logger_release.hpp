// SPDX-License-Identifier: Apache-2.0
/// Lets an actor system be destroyed on another thread than the one that has
/// constructed it.
#pragma once

#include <caf/logger.hpp>

namespace perdura::cluster {

/// CAF keeps a reference to the logger of an actor system in each thread that
/// constructs the system or spawns an actor, and the destructor of the system
/// waits until no thread has one. This object removes the reference of its
/// thread at the end of its scope. Not needed on the scheduler's threads.
class logger_release {
public:
  logger_release() = default;

  ~logger_release() {
    caf::logger::set_current_actor_system(nullptr);
  }

  logger_release(const logger_release&) = delete;
  logger_release& operator=(const logger_release&) = delete;
};

} // namespace perdura::cluster
