/// A whole node with its HTTP door on a free port, and the samples.
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

inline constexpr const char* webhook = "/runtime/webhooks/durabletask";

struct door_fixture {
  using functions_adder = std::function<void(actors::registry&)>;
  using config_changer = std::function<void(client::node_host_config&)>;

  /// Functions beside the samples may be added.
  explicit door_fixture(const functions_adder& add_more = {},
                        const config_changer& change = {}) {
    auto functions = std::make_shared<actors::registry>();
    examples::add_samples(*functions);
    if (add_more)
      add_more(*functions);
    client::node_host_config config;
    config.node.data_dir = directory.path() / "hub";
    config.node.create_hub = true;
    config.node.partition_count = 4;
    config.door.port = 0;
    if (change)
      change(config);
    host = std::move(
      client::node_host::start(std::move(config), functions).value());
  }

  /// Below the webhook's prefix, on a connection of its own.
  http_answer ask(std::string_view method, const std::string& path,
                  std::string_view body = {}, std::string_view headers = {}) {
    return ask_site(method, webhook + path, body, headers);
  }

  http_answer ask_site(std::string_view method, const std::string& path,
                       std::string_view body = {},
                       std::string_view headers = {}) {
    return http_caller(host->http_port()).ask(method, path, body, headers);
  }

  /// Starts it and returns when it waits for something, or has ended.
  void start(const std::string& name, const std::string& id,
             std::string_view input = {}) {
    const auto started
      = ask("POST", "/orchestrators/" + name + '/' + id, input);
    if (started.status != 202)
      throw std::runtime_error("not started: " + started.body);
  }

  /// The status object when it has ended.
  nlohmann::json ended(const std::string& id) {
    return ask("GET", "/instances/" + id + "?waitSeconds=20").json();
  }

  temp_directory directory;
  std::unique_ptr<client::node_host> host;
};

inline constexpr const char* as_json = "Content-Type: application/json\r\n";

} // namespace perdura::tests
