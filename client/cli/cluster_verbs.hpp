// SPDX-License-Identifier: Apache-2.0
/// `cluster up`: runs a cluster on this machine, for trying Perdura out.
#pragma once

#include "client/cli/terminal.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace perdura::client {

/// The command line of `cluster up`.
struct cluster_up_options {
  /// The number of nodes. Without a value, it is the number of nodes that the
  /// directory holds, or 3 if the directory is new.
  std::optional<std::uint32_t> nodes;
  /// The HTTP port of node-1. The other nodes use the ports that follow.
  std::uint16_t http_port = 7071;
  /// The cluster port of node-1. The other nodes use the ports that follow.
  std::uint16_t cluster_port = 7171;
  /// Empty means a temporary directory, which is removed at the end.
  std::string data_dir;
  /// Used only when the task hub is created; 32 by default.
  std::optional<std::uint32_t> partitions;
};

/// Creates or reopens the data directories DIR/node-1, DIR/node-2, …, writes
/// the configuration files DIR/node-1.toml, …, runs `serve` with each file as a
/// child process, and keeps the nodes running until Ctrl-C.
int cluster_up_verb(const cluster_up_options& options, terminal& io);

} // namespace perdura::client
