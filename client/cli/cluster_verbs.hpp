/// `cluster up`: a whole cluster on this machine, to try things out.
#pragma once

#include "client/cli/terminal.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace perdura::client {

struct cluster_up_options {
  /// Left out: as many as the directory holds, else three.
  std::optional<std::uint32_t> nodes;
  std::uint16_t http_port = 7071;    ///< Of node-1; the others' follow.
  std::uint16_t cluster_port = 7171; ///< Likewise.
  std::string data_dir;              ///< Empty: a temporary folder.
  /// Only used when the hub is made.
  std::optional<std::uint32_t> partitions;
};

/// Makes or reopens DIR/node-1, DIR/node-2, …, writes DIR/node-1.toml, …, runs
/// `serve` on each as a child process, and keeps them running until Ctrl-C.
int cluster_up_verb(const cluster_up_options& options, terminal& io);

} // namespace perdura::client
