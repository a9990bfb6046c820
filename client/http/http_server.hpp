// SPDX-License-Identifier: Apache-2.0
/// An HTTP/1.1 server, with TLS if configured. Independent of orchestrations.
#pragma once

#include "client/http/http_message.hpp"
#include <perdura/client/api/http_api_config.hpp>
#include <perdura/persistence/records/error.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace perdura::client {

class tls_context;

/// The settings of the HTTP API. The server uses the address, the port, the
/// number of threads, the limits and `stop_patience`.
struct http_server_config : http_api_config {
  /// Null means HTTP without TLS.
  std::shared_ptr<tls_context> tls;
};

/// Accepts connections on one thread and distributes them over `threads`
/// threads; a connection stays on its thread. Requests of one connection are
/// served one after the other.
class http_server {
public:
  /// Binds the port and listens. Until `serve` is called, the kernel accepts
  /// connections and queues them.
  /// @error errc::unavailable       The port is in use.
  /// @error errc::invalid_argument  The address is not valid, or is not an
  ///                                address of this machine.
  static persistence::result<std::unique_ptr<http_server>>
  listen(http_server_config config);

  /// Calls `stop`.
  ~http_server();

  http_server(const http_server&) = delete;
  http_server& operator=(const http_server&) = delete;

  /// Starts the threads. If the system refuses some of them, the others serve
  /// all connections; if it refuses all, std::system_error is thrown. `handler`
  /// and `refused` are called on these threads.
  /// @param refused  Called for each request that the server answers without
  ///                 `handler`, because the request is malformed, too large or
  ///                 too slow, or too many requests are in progress. The
  ///                 argument is the status code of the response.
  /// @param admit    Called before the body of a request is read. If it
  ///                 refuses the request, the body is not read, and the
  ///                 connection is closed after the response.
  void serve(http_handler handler, std::function<void(int)> refused = {},
             http_admission admit = {});

  /// Closes the port, ends parked requests, waits up to `stop_patience` for
  /// the responses of requests in progress, and closes all connections.
  /// Idempotent.
  void stop();

  std::uint16_t port() const;
  /// The number of open connections.
  std::size_t connections() const;
  /// The size of the bodies and answers in memory.
  std::size_t buffered_bytes() const;

private:
  http_server();
  class impl;
  std::unique_ptr<impl> impl_;
};

} // namespace perdura::client
