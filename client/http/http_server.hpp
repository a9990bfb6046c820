/// Sockets and HTTP/1.1; knows nothing of orchestrations.
#pragma once

#include "client/http/http_message.hpp"
#include <perdura/client/api/door_config.hpp>
#include <perdura/persistence/records/error.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace perdura::client {

class tls_context;

/// The door's settings; of them it heeds where to listen and the limits.
struct http_server_config : door_config {
  /// Null: nothing is encrypted.
  std::shared_ptr<tls_context> tls;
};

class http_server {
public:
  /// Binds and listens; callers queue until `serve`.
  /// @error errc::unavailable       The port is in use.
  /// @error errc::invalid_argument  Not an address of this machine.
  static persistence::result<std::unique_ptr<http_server>>
  listen(http_server_config config);

  /// Stops.
  ~http_server();

  http_server(const http_server&) = delete;
  http_server& operator=(const http_server&) = delete;

  /// Begins to answer. The handler is called on the server's threads, and so
  /// is `refused`, with the status of what never became a request.
  void serve(http_handler handler, std::function<void(int)> refused = {});

  /// Takes no more connections, ends parked requests, lets those under way be
  /// answered within `stop_patience`, closes. Idempotent.
  void stop();

  std::uint16_t port() const;
  std::size_t connections() const;

private:
  http_server();
  class impl;
  std::unique_ptr<impl> impl_;
};

} // namespace perdura::client
