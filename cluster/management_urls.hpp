/// Where an instance can be managed over HTTP: the webhook URLs.
#pragma once

#include <perdura/actors/management_payload.hpp>

#include <string>
#include <string_view>

namespace perdura::cluster {

/// What all URLs of a door have in common.
struct management_base {
  std::string origin; ///< e.g. "http://127.0.0.1:7071"
  std::string prefix = "/runtime/webhooks/durabletask";
  std::string task_hub = "perdura";
  std::string connection = "Storage"; ///< Accepted and ignored.
  std::string code;                   ///< A key; empty: none in the URLs.
};

/// @source Durable Functions' HttpManagementPayload, contract §2.9.
actors::management_payload make_management_payload(const management_base& base,
                                                   std::string_view id);

/// Percent-encodes everything but RFC 3986's unreserved characters.
std::string encode_url_part(std::string_view text);

} // namespace perdura::cluster
