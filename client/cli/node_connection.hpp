/// The node that the verbs talk to, over its HTTP API.
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

/// "?a=b&c=d", encoded; empty parameters are left out.
std::string to_query(const query_parameters& parameters);

/// How one comes in.
struct node_access {
  std::string key; ///< Sent as x-functions-key; empty: none.
  http_client_options http;
};

/// The key of a file: its first line that is neither blank nor a comment,
/// `KEY`, `manage KEY` or `read KEY`. Without a file the environment's
/// PERDURA_KEY; empty if that is not set either. Never from the arguments,
/// which every process can read.
/// @error errc::invalid_argument
persistence::result<std::string> read_key(const std::string& key_file);

class node_connection {
public:
  explicit node_connection(http_url url, node_access access = {})
    : url_(std::move(url)), access_(std::move(access)) {}

  /// `path` is below the webhook's prefix and encoded, e.g. "/instances".
  /// Every answer but 2xx is an error with the node's sentence.
  persistence::result<http_reply> ask(std::string_view method,
                                      const std::string& path,
                                      std::string body = {},
                                      std::vector<http_header> headers = {});

  /// Below the site's root.
  persistence::result<http_reply> ask_site(std::string_view method,
                                           const std::string& path);

  /// The status of an instance; `parameters` as of `GET instances/{id}`.
  persistence::result<std::string>
  status_of(const std::string& id, const query_parameters& parameters = {});

  /// The status as soon as the instance has ended, as JSON.
  /// @error errc::timed_out, not_found
  persistence::result<std::string>
  follow(const std::string& id, std::chrono::milliseconds time_out,
         const query_parameters& parameters = {});

private:
  persistence::result<http_reply> send(http_request request);

  http_url url_;
  node_access access_;
};

/// "/instances/ID", encoded.
std::string instance_path(const std::string& id);

} // namespace perdura::client
