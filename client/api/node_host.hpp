/// A node with its doors: what `perdura dev` and `serve` start, and what a
/// service embeds that brings its own orchestrations.
#pragma once

#include <perdura/client/api/door_config.hpp>
#include <perdura/client/api/orchestration_client.hpp>
#include <perdura/cluster/node/node_config.hpp>
#include <perdura/persistence/records/error.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace perdura::actors {
class activity_context;
class registry;
} // namespace perdura::actors

namespace perdura::cluster {
class node;
} // namespace perdura::cluster

namespace perdura::client {

struct node_host_config {
  cluster::node_config node;
  /// Without, the node is reached through `client()` alone.
  bool http = true;
  door_config door;
  /// Told, on any thread, when the rest of the cluster refuses this node for
  /// good: its data is not what it was. It must be stopped.
  std::function<void(const persistence::error&)> must_stop;
  /// Told of each attempt of an activity before it runs, on its thread. For
  /// tracing, and for tests that count.
  std::function<void(const actors::activity_context&)> observe_activity;
};

class node_host {
public:
  /// Checks the port, opens (or creates) the data directory, recovers, serves.
  /// @error errc::unavailable       The port is in use.
  /// @error errc::invalid_argument  An address that others could reach.
  /// @error errc::storage_missing, storage_in_use, …  As cluster::node.
  static result<std::unique_ptr<node_host>>
  start(node_host_config config,
        std::shared_ptr<const actors::registry> functions);

  /// Stops.
  ~node_host();

  node_host(const node_host&) = delete;
  node_host& operator=(const node_host&) = delete;

  /// 0 without an HTTP door.
  std::uint16_t http_port() const;
  /// "http://127.0.0.1:7071"; empty without an HTTP door.
  const std::string& url() const;

  /// "2 to manage, 1 to read"; empty if the door wants no keys.
  std::string keys_summary() const;

  /// In process; good until `stop`.
  orchestration_client client() const;
  std::shared_ptr<actors::management_gateway> gateway() const;
  cluster::node& node();

  /// Closes the doors, lets running activities end, makes everything durable.
  /// Idempotent. Returns the names of activities that would not end; the
  /// process is then best ended without destructors.
  std::vector<std::string> stop();

private:
  node_host();
  class impl;
  std::unique_ptr<impl> impl_;
};

} // namespace perdura::client
