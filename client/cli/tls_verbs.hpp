/// `tls init`: certificates for a cluster, in a directory.
#pragma once

#include "client/cli/terminal.hpp"

#include <string>
#include <vector>

namespace perdura::client {

struct tls_init_options {
  std::string directory = "perdura-tls";
  std::vector<std::string> nodes{"node-1", "node-2", "node-3"};
  /// By what else than loopback they are reached: names, numeric addresses.
  std::vector<std::string> hosts;
  int days = 3650;
};

/// Makes an authority, a certificate for each node, and one for a gateway in
/// a service. Nothing that is there is written over.
int tls_init_verb(const tls_init_options& options, terminal& io);

} // namespace perdura::client
