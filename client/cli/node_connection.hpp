/// The node that the verbs talk to, over its HTTP API.
#pragma once

#include "client/http/http_client.hpp"
#include <perdura/persistence/error.hpp>

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace perdura::client {

using query_parameters = std::vector<std::pair<std::string, std::string>>;

/// "?a=b&c=d", encoded; empty parameters are left out.
std::string to_query(const query_parameters& parameters);

class node_connection {
public:
  explicit node_connection(http_url url) : url_(std::move(url)) {}

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
  http_url url_;
};

/// "/instances/ID", encoded.
std::string instance_path(const std::string& id);

} // namespace perdura::client
