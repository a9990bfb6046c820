// SPDX-License-Identifier: Apache-2.0
/// Creates the certificates with which the nodes of a cluster authenticate each
/// other: a certificate authority for the cluster, and certificates signed by
/// it.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace perdura::client {

/// A certificate and its private key (EC, P-256), both in PEM format.
struct certificate_pair {
  std::string certificate;
  std::string key;
};

/// The part that the owner of a certificate may take in a cluster.
enum class certificate_role : std::uint8_t {
  node,   ///< Valid for servers and clients: a node is both.
  client, ///< Valid for clients only; it can never be taken for a node.
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

  /// Uses an existing authority.
  /// @param days  The validity of the certificates that it signs from now on;
  ///              they end with the authority's own certificate at the latest.
  /// @error errc::invalid_argument  The texts are not a certificate of an
  ///                                authority and its key in PEM format, or it
  ///                                is not valid any more.
  static persistence::result<certificate_authority>
  load(const certificate_pair& pem, int days);

  ~certificate_authority();
  certificate_authority(certificate_authority&&) noexcept;
  certificate_authority& operator=(certificate_authority&&) noexcept;

  /// The authority's own certificate and key. The key can sign certificates
  /// that every node trusts, so it must not be stored on a node.
  const certificate_pair& authority_pair() const;

  /// The last day on which the certificates that the authority signs are
  /// valid, e.g. "2036-11-20".
  std::string valid_until() const;

  /// Creates a key and a certificate. `name` is the common name, by which the
  /// other nodes recognise a node; `hosts` are the host names and numeric
  /// addresses for which the certificate is valid.
  /// @error errc::invalid_argument  A host is neither a name nor an address.
  /// @error errc::internal          OpenSSL failed; the message has its reason.
  persistence::result<certificate_pair>
  issue(const std::string& name, const std::vector<std::string>& hosts,
        certificate_role role = certificate_role::node) const;

  /// Creates a new certificate for the name, the hosts, the part and the key of
  /// an existing one of this authority. The certificate "client" of an earlier
  /// version, which was valid for servers too, becomes one for clients only.
  /// @error errc::invalid_argument  The texts are not a certificate of this
  ///                                authority and its key in PEM format.
  /// @error errc::internal          OpenSSL failed; the message has its reason.
  persistence::result<certificate_pair>
  renew(const certificate_pair& old) const;

private:
  struct parts;
  explicit certificate_authority(std::unique_ptr<parts> made);
  std::unique_ptr<parts> parts_;
};

} // namespace perdura::client
