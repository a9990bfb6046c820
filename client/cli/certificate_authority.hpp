/// Makes the certificates by which the nodes of a cluster know each other: an
/// authority of their own, and what it signs.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <memory>
#include <string>
#include <vector>

namespace perdura::client {

/// A certificate and its private key (EC, P-256), both PEM.
struct certificate_pair {
  std::string certificate;
  std::string key;
};

class certificate_authority {
public:
  /// A new one, which may sign nodes and nothing that signs again. All that it
  /// signs is good as long as itself: `days` from now, and from five minutes
  /// before now, as clocks differ.
  /// @error errc::internal  OpenSSL would not; says why.
  static persistence::result<certificate_authority> make(int days);

  ~certificate_authority();
  certificate_authority(certificate_authority&&) noexcept;
  certificate_authority& operator=(certificate_authority&&) noexcept;

  /// The key signs whatever is to be believed: keep it away from the nodes.
  const certificate_pair& own() const;

  /// The last day on which its certificates are good, e.g. "2036-11-20".
  std::string good_until() const;

  /// For a server and for a client. `name` is its common name; it is good for
  /// that and for `hosts`, names and numeric addresses.
  /// @error errc::invalid_argument  A host that is neither.
  /// @error errc::internal          OpenSSL would not; says why.
  persistence::result<certificate_pair>
  issue(const std::string& name, const std::vector<std::string>& hosts) const;

private:
  struct parts;
  explicit certificate_authority(std::unique_ptr<parts> made);
  std::unique_ptr<parts> parts_;
};

} // namespace perdura::client
