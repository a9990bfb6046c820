// SPDX-License-Identifier: Apache-2.0
/// The connection of a verb to a node's HTTP API.
#pragma once

#include "client/http/http_client.hpp"
#include <perdura/persistence/records/error.hpp>

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace perdura::client {

using query_parameters = std::vector<std::pair<std::string, std::string>>;

/// The query part of a URL, e.g. "?a=b&c=d". Values are percent-encoded;
/// parameters with an empty value are left out.
std::string to_query(const query_parameters& parameters);

/// The access key and the TLS settings of a connection.
struct node_access {
  std::string key; ///< Sent as x-functions-key. Empty means no key.
  http_client_options http;
  /// Sent as Idempotency-Key with each request that is not a read, if it is not
  /// empty.
  std::string request_id;
  /// The time limit of one request. The longest wait of a request for the end
  /// of an instance is 30 s.
  std::chrono::milliseconds response_time_max = std::chrono::seconds(120);
};

/// Reads the access key. The first line of the file that is neither blank nor a
/// comment must be `KEY`, `manage KEY` or `read KEY`. If `key_file` is empty,
/// the key is the value of PERDURA_KEY, or empty if that variable is not set.
/// No option takes the key itself, because every process can read the arguments
/// of other processes.
/// @error errc::invalid_argument  The file cannot be read or holds no key, or
///                                the key has characters that a header cannot
///                                carry.
persistence::result<std::string> read_key(const std::string& key_file);

/// Sends requests to one node, each on a connection of its own. A call blocks
/// until the response has arrived, at most `response_time_max`. wait_for_end
/// may send several requests and block for longer. Not thread-safe.
/// @error the errors of send_http_request, for all calls that send a request
class node_connection {
public:
  explicit node_connection(http_url url, node_access access = {})
    : url_(std::move(url)), access_(std::move(access)) {}

  /// Sends a request to the management API. `path` is relative to the path of
  /// the API and must be percent-encoded, e.g. "/instances". A body that is not
  /// empty is sent as JSON. A response with a status other than 2xx becomes an
  /// error with the node's message.
  persistence::result<http_reply>
  call_api(std::string_view method, const std::string& path,
           std::string body = {}, std::vector<http_header> headers = {});

  /// Sends a request without a body to another path of the node, e.g.
  /// "/perdura/count". Errors are those of call_api.
  persistence::result<http_reply> call_site(std::string_view method,
                                            const std::string& path);

  /// The status of an instance as JSON. The parameters are those of the API's
  /// `GET instances/{id}`.
  /// @error errc::not_found  There is no such instance.
  persistence::result<std::string>
  status_of(const std::string& id, const query_parameters& parameters = {});

  /// Waits until the instance has ended and returns its status as JSON.
  /// @error errc::timed_out  The instance has not ended within this time.
  /// @error errc::not_found  There is no such instance.
  persistence::result<std::string>
  wait_for_end(const std::string& id, std::chrono::milliseconds time_out,
               const query_parameters& parameters = {});

private:
  /// Adds the access key and sends the request.
  persistence::result<http_reply> send(http_request request);

  http_url url_;
  node_access access_;
};

/// The path "/instances/ID" with the ID encoded.
std::string instance_path(const std::string& id);

} // namespace perdura::client
