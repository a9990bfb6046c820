/// A node with its HTTP door in a process of its own, so that its CPU time
/// is not the load's, and so that it can be killed.
#pragma once

#include "client/node_host.hpp"

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

namespace perdura::benchmarks {

/// A folder of its own, gone at the end.
class scratch_folder {
public:
  scratch_folder();
  ~scratch_folder();

  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;

  const std::filesystem::path& path() const {
    return path_;
  }

private:
  std::filesystem::path path_;
};

/// Private memory of a process that is no file's: what LMDB maps does not
/// count.
double anonymous_mib(pid_t pid);

class child_node {
public:
  /// Forks: before this process has threads. Serves the samples on a free
  /// port of loopback; ends the program with a sentence if it cannot.
  explicit child_node(client::node_host_config config);
  ~child_node();

  child_node(const child_node&) = delete;
  child_node& operator=(const child_node&) = delete;

  std::uint16_t port() const {
    return port_;
  }

  pid_t pid() const {
    return pid_;
  }

  /// User and system time, since it began.
  std::chrono::microseconds cpu_time() const;

  double anonymous_mib() const {
    return benchmarks::anonymous_mib(pid_);
  }

  /// SIGKILL.
  void kill();

private:
  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
};

} // namespace perdura::benchmarks
