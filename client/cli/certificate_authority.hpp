// SPDX-License-Identifier: Apache-2.0
/// Creates the certificates with which the nodes of a cluster authenticate each
/// other: a certificate authority for the cluster, and certificates signed by
/// it.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <memory>
#include <string>
#include <vector>

namespace perdura::client {

/// A certificate and its private key (EC, P-256), both in PEM format.
struct certificate_pair {
  std::string certificate;
  std::string key;
};

/// A certificate authority whose key is in memory. It writes no file; the
/// caller decides where the key is stored. Not thread-safe.
class certificate_authority {
public:
  /// Creates an authority with a new key. The authority can sign certificates
  /// of nodes, but not of further authorities. Its own certificate and all
  /// certificates that it signs are valid until `days` from now. Their validity
  /// begins five minutes before now, because the clocks of machines differ.
  /// @error errc::internal  OpenSSL failed; the message has its reason.
  static persistence::result<certificate_authority> make(int days);

  ~certificate_authority();
  certificate_authority(certificate_authority&&) noexcept;
  certificate_authority& operator=(certificate_authority&&) noexcept;

  /// The authority's own certificate and key. The key can sign certificates
  /// that every node trusts, so it must not be stored on a node.
  const certificate_pair& authority_pair() const;

  /// The last day on which the authority's certificates are valid, e.g.
  /// "2036-11-20".
  std::string valid_until() const;

  /// Creates a key and a certificate that is valid for a server and for a
  /// client, because a node is both. `name` is the common name; `hosts` are the
  /// host names and numeric addresses for which the certificate is valid.
  /// @error errc::invalid_argument  A host is neither a name nor an address.
  /// @error errc::internal          OpenSSL failed; the message has its reason.
  persistence::result<certificate_pair>
  issue(const std::string& name, const std::vector<std::string>& hosts) const;

private:
  struct parts;
  explicit certificate_authority(std::unique_ptr<parts> made);
  std::unique_ptr<parts> parts_;
};

} // namespace perdura::client
