/// All that a node of the binary can be told: what lands in the library's
/// structs, and what the process does around them.
#pragma once

#include "persistence/process/logging.hpp"
#include <perdura/client/api/node_host.hpp>

#include <filesystem>

namespace perdura::client {

struct log_config {
  persistence::log_level level = persistence::log_level::info;
  /// Where audit lines are appended; empty: to stderr, with the others.
  std::filesystem::path audit_file;
};

struct configuration {
  node_host_config host;
  log_config log;
};

} // namespace perdura::client
