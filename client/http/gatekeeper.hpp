/// Who may do what at the door: looks at a request's Host, Origin and key.
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

struct gatekeeper_config {
  access_keys keys; ///< Empty: everybody who reaches the door may do all.
  std::string hub_id;
  std::string bind_address = "127.0.0.1";
  std::vector<std::string> hosts; ///< Besides loopback's and `bind_address`.
};

/// One who was let in.
struct caller {
  access right = access::manage;
  std::string key;  ///< As shown; empty if none was needed, or it is a token.
  std::string name; ///< For the audit log; shows no key.
  bool has_token = false; ///< What was shown is good for this request alone.
};

class gatekeeper {
public:
  explicit gatekeeper(gatekeeper_config config) : config_(std::move(config)) {}

  /// The caller, or the answer that refuses: 401 without a body for a key
  /// that is missing or wrong, 403 for one that is good for less, and for a
  /// foreign Host or Origin.
  /// A key comes as header x-functions-key, as password of Basic
  /// authorization, or as parameter `code`; the first of these that is there
  /// counts. A repeated `code` is none.
  std::optional<http_response> admit(const http_request& request,
                                     const request_target& target,
                                     const route_match& route,
                                     persistence::timestamp now,
                                     caller& who) const;

  /// Is this a name of this door?
  bool is_own_host(std::string_view authority) const;

  const access_keys& keys() const {
    return config_.keys;
  }

  /// For the URLs that are given out; empty if no keys are needed.
  std::string token(std::string_view instance, std::string_view operations,
                    persistence::timestamp expires) const {
    return config_.keys.make_token(config_.hub_id, instance, operations,
                                   expires);
  }

private:
  gatekeeper_config config_;
};

/// "name", "name:port", "[::1]:port": nothing in it can end a URL's authority.
bool is_plain_authority(std::string_view text);

/// The text with what follows `code=` made unreadable, for logs and errors.
std::string redacted(std::string_view target);

} // namespace perdura::client
