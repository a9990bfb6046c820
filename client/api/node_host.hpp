// SPDX-License-Identifier: Apache-2.0
/// Runs a node in this process, with its HTTP API. The commands `perdura dev`
/// and `perdura serve` use it, and so does a service that runs its own
/// orchestrations.
#pragma once

#include <perdura/client/api/http_api_config.hpp>
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

/// The settings of a node with its HTTP API, and the callbacks of the program.
struct node_host_config {
  cluster::node_config node;
  /// Serve the HTTP API. If false, the node's instances are managed only by
  /// this process, through `node_host::client`, or through other nodes of the
  /// cluster.
  bool http_enabled = true;
  http_api_config http;
  /// Called, on any thread, when the other nodes refuse this node permanently
  /// because its data directory was replaced by another directory or by an
  /// older copy. The program must then stop the node, but not on the thread of
  /// this call. An exception is logged and counted. May be empty.
  std::function<void(const persistence::error&)> must_stop;
  /// Called once before a failure of Perdura's own code (an exception) or of
  /// the disk ends the process, with the sentence that is logged. The exit code
  /// is then 70 or 74. Runs on a thread of its own; the process waits at most
  /// 10 seconds for it. It may record or report the sentence, and must not call
  /// Perdura. It is one function for the process: the newest node that sets it
  /// decides. May be empty.
  std::function<void(const std::string& sentence)> on_fatal;
  /// Install handlers of the fatal signals, which note the orchestrator or the
  /// activity whose code has received the signal, and then call the handlers
  /// that were installed before. After three such ends, the code is held.
  bool mark_fatal_signals = true;
  /// Called before each attempt of an activity, on the thread that runs the
  /// attempt. For tracing and for tests. An exception is logged and counted;
  /// the attempt is made. May be empty.
  std::function<void(const actors::activity_context&)> observe_activity;
};

/// A running node. Destroying it stops the node.
///
/// `client`, `gateway` and the other getters are thread-safe. `start` and
/// `stop` block.
class node_host {
public:
  /// Binds the HTTP port, opens or creates the data directory, recovers its
  /// instances, and returns when the node accepts requests. Until then the HTTP
  /// API responds with 200 to /healthz, and with 503 to every other request.
  /// @param functions  The orchestrators and activities of this node. Kept
  ///                   until the node is destroyed.
  /// @error errc::unavailable       The HTTP port or the cluster port is in
  /// use.
  /// @error errc::invalid_argument  A setting is not valid, or the HTTP address
  ///                                is not loopback and keys or TLS are
  ///                                missing.
  /// @error errc::storage_missing   There is no hub, and `create_hub` is not
  ///                                set.
  /// @error errc::storage_in_use    Another process has opened the directory.
  /// @error errc::storage_format, storage_foreign, storage_damaged  As for
  ///        `cluster::node::open`.
  static result<std::unique_ptr<node_host>>
  start(node_host_config config,
        std::shared_ptr<const actors::registry> functions);

  /// Calls `stop` and ignores its result.
  ~node_host();

  node_host(const node_host&) = delete;
  node_host& operator=(const node_host&) = delete;

  /// The port on which the HTTP API listens; 0 if it is not enabled.
  std::uint16_t http_port() const;
  /// Where the HTTP API listens, e.g. "http://127.0.0.1:7071"; empty if it is
  /// not enabled.
  const std::string& url() const;

  /// The number of valid access keys, e.g. "2 to manage, 1 to read"; empty if
  /// no key is required.
  std::string keys_summary() const;

  /// A client that reaches the node without a network connection. After `stop`
  /// its calls return errc::shutting_down.
  orchestration_client client() const;
  /// The gateway behind `client`.
  std::shared_ptr<actors::management_gateway> gateway() const;
  /// The node, valid as long as this object.
  cluster::node& node();

  /// Closes the HTTP API, lets running activities end within the node's
  /// `stop_patience` and requests their cancellation only after it, makes all
  /// changes durable, including the results of these activities, and closes the
  /// data directory. Idempotent.
  /// @return the names of the activities that are still running. If there are
  ///         any, their threads still use the program's objects: end the
  ///         process without running destructors, e.g. by `std::_Exit`.
  std::vector<std::string> stop();

private:
  node_host();
  class impl;
  std::unique_ptr<impl> impl_;
};

} // namespace perdura::client
