// SPDX-License-Identifier: Apache-2.0
/// Builds the URLs by which clients manage an instance over HTTP (the "webhook"
/// URLs of Durable Functions).
#pragma once

#include <perdura/actors/authoring/management_payload.hpp>

#include <functional>
#include <string>
#include <string_view>

namespace perdura::cluster {

/// The parts that all management URLs of one HTTP server have in common.
struct management_base {
  /// Scheme, host and port of the server, e.g. "http://127.0.0.1:7071".
  std::string origin;
  std::string prefix = "/runtime/webhooks/durabletask"; ///< Begins each path.
  std::string task_hub = "perdura"; ///< The value of the parameter `taskHub`.

  /// The value of the parameter `connection`. The HTTP API accepts and ignores
  /// the parameter.
  std::string connection = "Storage";

  /// Returns the access code that a URL carries in the parameter `code`; the
  /// code is valid for one operation on one instance. Operations: 'g' get, 'e'
  /// raise event, 't' terminate, 'w' rewind, 'p' purge, 'r' restart, 's'
  /// suspend, 'u' resume. If the function is null or returns an empty string,
  /// the URL carries no code.
  std::function<std::string(std::string_view id, char operation)> code_of;
};

/// The management URLs of the instance `id`.
/// @source HttpManagementPayload of Durable Functions.
actors::management_payload make_management_payload(const management_base& base,
                                                   std::string_view id);

/// Percent-encodes all bytes except the unreserved characters of RFC 3986.
std::string encode_url_part(std::string_view text);

} // namespace perdura::cluster
