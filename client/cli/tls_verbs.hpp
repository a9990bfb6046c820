// SPDX-License-Identifier: Apache-2.0
/// `tls init`: creates the certificates of a cluster in a directory.
#pragma once

#include "client/cli/terminal.hpp"

#include <string>
#include <vector>

namespace perdura::client {

/// The command line of `tls init`.
struct tls_init_options {
  std::string directory = "perdura-tls";
  std::vector<std::string> nodes{"node-1", "node-2", "node-3"};
  /// Host names and numeric addresses for which the certificates are valid, in
  /// addition to the names of the nodes and the loopback addresses.
  std::vector<std::string> hosts;
  int days = 3650; ///< How long the certificates are valid.
};

/// Creates a certificate authority, a certificate for each node, and one for a
/// client gateway in a service. No file is ever overwritten: if one of the
/// files exists, none is created.
int tls_init_verb(const tls_init_options& options, terminal& io);

} // namespace perdura::client
