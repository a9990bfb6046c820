// SPDX-License-Identifier: Apache-2.0
/// `tls init`, `tls add` and `tls renew`: the certificates of a cluster in a
/// directory.
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

/// The command line of `tls add` and `tls renew`.
struct tls_name_options {
  std::string directory = "perdura-tls";
  std::string name; ///< The node or client; it names the files.
  /// As in tls_init_options. Not used by `tls renew`, which keeps the hosts.
  std::vector<std::string> hosts;
  int days = 3650;
  bool for_client = false; ///< `tls add`: a certificate for clients only.
};

/// Creates a certificate for one more node or client, signed by the authority
/// in the directory. No file is ever overwritten.
int tls_add_verb(const tls_name_options& options, terminal& io);

/// Replaces one certificate by a new one with the same name, hosts and key. The
/// file is replaced in one step, so that a running node reads either the old or
/// the new one.
int tls_renew_verb(const tls_name_options& options, terminal& io);

} // namespace perdura::client
