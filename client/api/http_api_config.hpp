// SPDX-License-Identifier: Apache-2.0
/// The settings of a node's HTTP API: where it listens, how requests are
/// authorized, and the limits that it enforces.
#pragma once

#include <perdura/persistence/records/ids.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace perdura::client {

/// `node_host::start` takes a copy and checks the values. A configuration file
/// sets the same values in its sections [http], [http.tls] and [limits].
struct http_api_config {
  // --- Where the HTTP server listens ----------------------------------------

  /// Numeric address, IPv4 or IPv6. Any address other than loopback requires
  /// keys and TLS, unless `insecure` is set.
  std::string address = "127.0.0.1";
  /// TCP port. 0 lets the system choose a free port; `node_host::http_port`
  /// returns it.
  std::uint16_t port = 7071;
  /// Threads that serve connections, at least 1. New connections are assigned
  /// to the threads in turn; a connection stays on its thread.
  std::size_t threads = 2;

  // --- Security -------------------------------------------------------------

  /// Host names that are accepted in the Host header, in addition to loopback
  /// addresses, `address` and the host of `public_url`. If `address` is 0.0.0.0
  /// or ::, any numeric address is accepted too. A request with any other Host
  /// header gets 403.
  std::vector<std::string> hosts;

  /// Scheme and authority of the URLs in responses, e.g.
  /// "https://ship.example". If empty, the URLs use the address to which the
  /// caller sent its request.
  std::string public_url;

  /// Take scheme and authority of the URLs in responses from the headers
  /// X-Forwarded-Proto and X-Forwarded-Host. Set it only behind a proxy that
  /// always sets both headers, because any client can send them.
  bool forwarded_headers = false;

  /// PEM files: the certificate with its chain, and its private key, which must
  /// not be readable by other users. Set both for HTTPS, or neither.
  std::filesystem::path tls_certificate_file;
  std::filesystem::path tls_key_file;

  /// File of access keys, mode 0600. Each line is `manage KEY` or `read KEY`; a
  /// "#" begins a comment. All keys in the file are valid at the same time, so
  /// that a key can be replaced without an interruption. The environment
  /// variables PERDURA_KEYS and PERDURA_KEYS_READ (comma-separated keys) add
  /// further keys. Without any key, every caller may do everything.
  std::filesystem::path keys_file;

  /// Allow an address that is not loopback even if keys or TLS are missing.
  bool insecure = false;

  /// How long the tokens in management URLs are valid. If keys are required,
  /// a management URL holds such a token in place of a key.
  persistence::duration token_lifetime = std::chrono::hours(24 * 30);

  // --- Limits ---------------------------------------------------------------

  /// Size of the request line and the header fields together. A larger header
  /// gets 431.
  std::size_t header_bytes_max = std::size_t{16} * 1024;
  /// Number of header fields. A request with more fields gets 431.
  std::size_t header_fields_max = 100;
  /// Size of path and query. A longer URI gets 414.
  std::size_t uri_bytes_max = std::size_t{8} * 1024;
  /// Size of a request body. A larger body gets 413.
  std::size_t body_bytes_max = std::size_t{1024} * 1024;
  /// Time from the first byte of a request to the end of its header. A slower
  /// request gets 408.
  persistence::duration header_time_max = std::chrono::seconds(10);
  /// A connection that is idle between two requests for longer than this is
  /// closed. A request whose body takes longer gets 408. A connection whose
  /// caller takes longer to read a response is closed; this limit is one second
  /// longer for each 256 KiB of the response.
  persistence::duration idle_time_max = std::chrono::seconds(60);
  /// Largest number of open connections. Each thread has an equal share of this
  /// limit. At the limit, the connection that has been idle for the longest
  /// time is closed; if none is idle, the new connection gets 503.
  std::size_t connections_max = 12'000;
  /// Largest number of requests in progress, not counting those that wait for a
  /// completion. Further requests get 503.
  std::size_t requests_max = 1'000;
  /// Largest number of requests that wait for the completion of an instance.
  /// Further ones get 503.
  std::size_t waits_max = 10'000;
  /// Memory for request bodies that are received or handled, and for answers
  /// that callers have not read yet, over all connections. A request whose body
  /// does not fit gets 503, and so does a request that only reads and whose
  /// answer does not fit. Answers of up to 16 KiB are always sent.
  std::size_t buffered_bytes_max = std::size_t{256} * 1024 * 1024;
  /// Largest number of connections that have not sent a complete header. At the
  /// limit, the one that has waited for the longest time is closed.
  std::size_t headers_pending_max = 4'000;
  /// Largest number of requests whose body is being received. Further ones get
  /// 503.
  std::size_t bodies_pending_max = 1'000;
  /// Largest number of connections whose callers have not read an answer for a
  /// second. Above the limit, those that have waited for the longest time are
  /// closed.
  std::size_t answers_pending_max = 1'000;
  /// How long `node_host::stop` waits for the responses of requests in
  /// progress, before it closes their connections.
  persistence::duration stop_patience = std::chrono::seconds(5);
};

/// The name of `http_api_config` in release 0.1, accepted for one more release.
using door_config [[deprecated("renamed to http_api_config")]]
= http_api_config;

} // namespace perdura::client
