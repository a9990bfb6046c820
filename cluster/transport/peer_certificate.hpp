// SPDX-License-Identifier: Apache-2.0
/// What a certificate says about the process that has it.
///
/// The common name of a certificate is the name of its node. A certificate
/// without a common name is one of the nodes among its DNS names; the DNS names
/// of any other certificate say where its owner may be reached, not who it is.
/// The extended key usage says which part its owner may take: a node needs
/// "server" and "client", a client gateway has "client" alone.
#pragma once

#include "cluster/placement/peer_hello.hpp"
#include <perdura/cluster/placement/cluster_config.hpp>
#include <perdura/persistence/records/error.hpp>

#include <string>
#include <vector>

struct x509_st;

namespace perdura::cluster {

/// The part of a certificate that decides who its owner is.
struct peer_certificate {
  /// The common name or, if there is none, the DNS names.
  std::vector<std::string> names;
  bool may_serve = false; ///< It is valid for a server, so for a node.
};

/// Reads a certificate.
peer_certificate read_certificate(x509_st* from);

/// Checks that a process with this certificate may introduce itself with
/// `hello`.
/// @error errc::forbidden  The certificate belongs to another node or to a
///                         client.
persistence::result<void> check_certificate(const peer_certificate& has,
                                            const peer_hello& hello);

/// Checks the certificate of this process before it is used: the files can be
/// read and belong together, the certificate is valid now, and it is one of the
/// node `cluster.node`. A client has no node name, and may use any certificate
/// that is valid for clients.
/// @error errc::invalid_argument  The sentence says what to do.
persistence::result<void> check_own_certificate(const cluster_config& cluster);

} // namespace perdura::cluster
