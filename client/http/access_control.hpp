// SPDX-License-Identifier: Apache-2.0
/// Decides whether a request may use its route, by the request's Host and
/// Origin headers and its key or token.
#pragma once

#include "client/http/access_keys.hpp"
#include "client/http/http_message.hpp"
#include "client/http/routes.hpp"
#include "client/http/url.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::client {

/// The keys and names by which requests are admitted.
struct access_control_config {
  access_keys keys;   ///< Empty means that no key is required.
  std::string hub_id; ///< Tokens are valid for this hub only.
  /// The address on which the HTTP server listens.
  std::string bind_address = "127.0.0.1";
  /// Accepted host names besides loopback addresses and `bind_address`.
  std::vector<std::string> hosts;
};

/// The caller of an admitted request.
struct caller {
  access right = access::manage;
  /// The key that was sent. Empty if no key was required, or if a token was
  /// sent.
  std::string key;
  /// For the audit log: "key" and the name of the key, "token", or "anybody" if
  /// no key was required.
  std::string name;
  /// The caller has sent a token instead of a key. A token authorizes some
  /// operations on one instance only.
  bool has_token = false;
  /// The token is valid only for the instance that was created at this time;
  /// the epoch means any. The routes check it with the call's client.
  persistence::timestamp created_at{};
};

/// Authorizes requests. Immutable, and therefore thread-safe.
class access_control {
public:
  explicit access_control(access_control_config config)
    : config_(std::move(config)) {}

  /// Admits a request and sets `requester`, or returns the response that
  /// refuses the request:
  /// - 401 without a body if the key is missing or unknown;
  /// - 403 if the key may only read, or if Host or Origin name another server.
  ///
  /// The key is the header x-functions-key, the password of a Basic
  /// authorization, or the query parameter `code`, in this order. If `code`
  /// occurs more than once, all its values are ignored.
  std::optional<http_response> admit(const http_request& request,
                                     const request_target& target,
                                     const route_match& route,
                                     persistence::timestamp now,
                                     caller& requester) const;

  /// Whether a Host header names this server: a loopback address, the bind
  /// address, or a configured host, with or without a port. A server that is
  /// bound to all addresses also accepts every numeric address.
  bool is_own_host(std::string_view authority) const;

  const access_keys& keys() const {
    return config_.keys;
  }

  /// A token for a management URL; see `access_keys::make_token`. Empty if no
  /// key is required.
  std::string token(std::string_view instance, std::string_view operations,
                    persistence::timestamp expires,
                    persistence::timestamp created_at = {}) const {
    return config_.keys.make_token(config_.hub_id, instance, operations,
                                   expires, created_at);
  }

private:
  access_control_config config_;
};

/// Whether `text` holds only characters of a host with an optional port, such
/// as "name:80" or "[::1]:80". Such a text cannot end the authority of a URL
/// into which it is inserted.
bool is_plain_authority(std::string_view text);

/// A request target for logs and error sentences: the value of the parameter
/// `code` is replaced by "..."; scheme and authority are left out, because
/// they may hold a key as password.
std::string redacted(std::string_view target);

} // namespace perdura::client
