/// Where an instance can be managed over HTTP: the webhook URLs.
#pragma once

#include <perdura/actors/authoring/management_payload.hpp>

#include <functional>
#include <string>
#include <string_view>

namespace perdura::cluster {

/// What all URLs of a door have in common.
struct management_base {
  std::string origin; ///< e.g. "http://127.0.0.1:7071"
  std::string prefix = "/runtime/webhooks/durabletask";
  std::string task_hub = "perdura";
  std::string connection = "Storage"; ///< Accepted and ignored.
  /// The `code` of a URL that is good for one operation of an instance: 'g'
  /// get, 'e' raise event, 't' terminate, 'w' rewind, 'p' purge, 'r' restart,
  /// 's' suspend, 'u' resume. Null, or an empty answer: the URL has none.
  std::function<std::string(std::string_view id, char operation)> code_of;
};

/// @source Durable Functions' HttpManagementPayload, contract §2.9.
actors::management_payload make_management_payload(const management_base& base,
                                                   std::string_view id);

/// Percent-encodes everything but RFC 3986's unreserved characters.
std::string encode_url_part(std::string_view text);

} // namespace perdura::cluster
