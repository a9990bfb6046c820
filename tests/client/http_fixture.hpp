// SPDX-License-Identifier: Apache-2.0
/// A node that runs the samples, with its HTTP API on a free port.
#pragma once

#include "client/api/node_host.hpp"
#include "client/examples/samples.hpp"
#include "tests/client/http_caller.hpp"
#include "tests/support/temp_directory.hpp"
#include <perdura/actors/authoring/registry.hpp>

#include <functional>
#include <memory>
#include <string>

namespace perdura::tests {

/// The prefix of the routes of Durable Functions.
inline constexpr const char* webhook = "/runtime/webhooks/durabletask";

struct http_fixture {
  using functions_adder = std::function<void(actors::registry&)>;
  using config_changer = std::function<void(client::node_host_config&)>;

  /// Starts the node. `add_more` registers functions in addition to the
  /// samples; `change` changes the configuration before the start.
  explicit http_fixture(const functions_adder& add_more = {},
                        const config_changer& change = {}) {
    auto functions = std::make_shared<actors::registry>();
    examples::add_samples(*functions);
    if (add_more)
      add_more(*functions);
    client::node_host_config config;
    config.node.data_dir = directory.path() / "hub";
    config.node.create_hub = true;
    config.node.partition_count = 4;
    config.http.port = 0;
    if (change)
      change(config);
    host = std::move(
      client::node_host::start(std::move(config), functions).value());
  }

  /// Sends a request on a new connection. `path` is below `webhook`.
  http_answer request(std::string_view method, const std::string& path,
                      std::string_view body = {},
                      std::string_view headers = {}) {
    return request_at_root(method, webhook + path, body, headers);
  }

  /// Sends a request on a new connection. `path` is the whole path.
  http_answer request_at_root(std::string_view method, const std::string& path,
                              std::string_view body = {},
                              std::string_view headers = {}) {
    return http_caller(host->http_port()).request(method, path, body, headers);
  }

  /// Starts an instance. Returns when its first turn is done, that is when it
  /// waits for something or has ended.
  void start(const std::string& name, const std::string& id,
             std::string_view input = {}) {
    const auto started
      = request("POST", "/orchestrators/" + name + '/' + id, input);
    if (started.status != 202)
      throw std::runtime_error("not started: " + started.body);
  }

  /// Waits for the end of the instance and returns its status object.
  nlohmann::json ended(const std::string& id) {
    return request("GET", "/instances/" + id + "?waitSeconds=60").json();
  }

  temp_directory directory;
  std::unique_ptr<client::node_host> host;
};

/// The header line for a JSON body.
inline constexpr const char* json_body_header = "Content-Type: application/json\r\n";

} // namespace perdura::tests
