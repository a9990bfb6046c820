// SPDX-License-Identifier: Apache-2.0
/// Detects that files which this process uses were removed. A removed file can
/// still be written and synced, but its content is lost when the process ends.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <optional>
#include <vector>

namespace perdura::persistence {

/// Keeps descriptors of files and directories, and looks at their link counts.
/// A file that was moved is not a removed file. Thread-safe.
class file_watch {
public:
  /// `files` are looked at by every call of `removed`, and `others` at most
  /// once in each interval. A file that cannot be opened counts as removed.
  file_watch(std::vector<std::filesystem::path> files,
             std::vector<std::filesystem::path> others,
             std::chrono::steady_clock::duration interval);
  ~file_watch();

  file_watch(const file_watch&) = delete;
  file_watch& operator=(const file_watch&) = delete;

  /// Returns a file that was removed; empty if there is none. Costs one fstat
  /// for each of `files`: less than a microsecond.
  std::optional<std::filesystem::path> removed();

private:
  struct watched {
    std::filesystem::path path;
    int fd = -1;
  };

  static std::optional<std::filesystem::path>
  find_removed(const std::vector<watched>& files);

  std::vector<watched> files_;
  std::vector<watched> others_;
  const std::chrono::steady_clock::duration interval_;
  std::atomic<std::chrono::steady_clock::rep> looked_at_;
};

} // namespace perdura::persistence
