/// Nodes with their HTTP doors in processes of their own, so that their CPU
/// time is not the load's, and so that they can be killed.
#pragma once

#include "client/api/node_host.hpp"
#include "client/load/http_load.hpp"
#include <perdura/persistence/records/error.hpp>

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace perdura::client {

/// Private memory of a process that is no file's: what LMDB maps does not
/// count.
double anonymous_mib(pid_t pid);

class child_node {
public:
  /// Forks: before this process has threads. Serves the samples. A Ctrl-C
  /// does not reach it, and it ends with this process.
  /// @error errc::unavailable  It does not serve; says why.
  static persistence::result<std::unique_ptr<child_node>>
  start(node_host_config config);

  /// Asks it to end, and waits until it has.
  ~child_node();

  child_node(const child_node&) = delete;
  child_node& operator=(const child_node&) = delete;

  std::uint16_t port() const {
    return port_;
  }

  pid_t pid() const {
    return pid_;
  }

  /// User and system time since it began, in steps of 10 ms.
  std::chrono::microseconds cpu_time() const;

  double anonymous_mib() const {
    return client::anonymous_mib(pid_);
  }

  /// Returns when it has met the others of its cluster; false if it has not in
  /// time, or has ended. To be asked once.
  bool meets_others();

  /// SIGKILL.
  void kill();

private:
  child_node(pid_t pid, std::uint16_t port, int reports)
    : pid_(pid), port_(port), reports_(reports) {}

  pid_t pid_;
  std::uint16_t port_;
  int reports_; ///< The end of a pipe: what else it says.
};

/// One hub on nodes of this machine.
class child_cluster {
public:
  /// In folders of its own below this one. Before this process has threads;
  /// returns when all serve.
  /// @error errc::unavailable  One does not; says why.
  /// One alone has no port for others, unless it is to have one.
  static persistence::result<std::unique_ptr<child_cluster>>
  start(std::size_t count, const std::filesystem::path& folder,
        bool as_cluster = false);

  const std::vector<std::unique_ptr<child_node>>& nodes() const {
    return nodes_;
  }

  std::vector<load_door> doors() const;

  /// "node-1=127.0.0.1:7171", …: for those who come by the cluster's port.
  const std::vector<std::string>& entries() const {
    return entries_;
  }

private:
  std::vector<std::unique_ptr<child_node>> nodes_;
  std::vector<std::string> entries_;
};

} // namespace perdura::client
