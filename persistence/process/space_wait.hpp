// SPDX-License-Identifier: Apache-2.0
/// The wait of a write for which the disk has no space.
#pragma once

#include "persistence/process/sync_watch.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace perdura::persistence {

/// How long a write that has found no space on the disk waits before it is
/// tried again. The system does not report when space becomes free.
inline constexpr std::chrono::milliseconds space_wait_time{200};

/// One write and its attempts. While it waits, it counts as a write in progress
/// in `sync_watch`, so that the node reports it. Used by one thread.
class space_wait {
public:
  /// `what` names the write, e.g. "the journal".
  explicit space_wait(const char* what) : what_(what) {}

  /// Logs that the write has ended, if it had to wait.
  ~space_wait();

  space_wait(const space_wait&) = delete;
  space_wait& operator=(const space_wait&) = delete;

  /// Blocks for `space_wait_time`. `reason` is logged by the first call.
  void wait(const std::string& reason);

private:
  const char* what_;
  std::optional<sync_watch::running> waiting_;
};

} // namespace perdura::persistence
