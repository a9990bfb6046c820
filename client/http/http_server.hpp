/// Sockets and HTTP/1.1; knows nothing of orchestrations.
#pragma once

#include "client/http/http_message.hpp"
#include <perdura/persistence/error.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace perdura::client {

class tls_context;

struct http_server_config {
  std::string address = "127.0.0.1"; ///< Numeric, IPv4 or IPv6.
  std::uint16_t port = 7071;         ///< 0: a free one.
  /// Connections are spread over them and stay with theirs.
  std::size_t threads = 2;

  std::size_t header_bytes_max = 16 * 1024; ///< 431
  std::size_t header_fields_max = 100;      ///< 431
  std::size_t uri_bytes_max = 8 * 1024;     ///< 414
  std::size_t body_bytes_max = 1024 * 1024; ///< 413
  /// From its first byte on; 408.
  std::chrono::milliseconds header_time_max = std::chrono::seconds(10);
  /// Between requests (closed), for a body (408), for an answer nobody reads.
  std::chrono::milliseconds idle_time_max = std::chrono::seconds(60);
  /// When full, the one that has been idle longest is closed.
  std::size_t connections_max = 12'000;
  /// Handed over and neither answered nor parked; 503 beyond.
  std::size_t requests_max = 1'000;
  std::chrono::milliseconds stop_patience = std::chrono::seconds(5);
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
