// SPDX-License-Identifier: Apache-2.0
/// The complete configuration of `perdura serve` and `perdura dev`: the
/// settings of the node and its HTTP API, and those of the process.
#pragma once

#include "persistence/process/logging.hpp"
#include <perdura/client/api/node_host.hpp>

#include <filesystem>

namespace perdura::client {

/// The settings of the section [log].
struct log_config {
  persistence::log_level level = persistence::log_level::info;
  /// File to which audit lines are appended. If empty, audit lines go to stderr
  /// like all other log lines.
  std::filesystem::path audit_file;
};

/// All values that the settings table can set.
struct configuration {
  node_host_config host;
  log_config log;
};

} // namespace perdura::client
