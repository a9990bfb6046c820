/// Every setting of the HTTP door, with its default, unit and reason.
#pragma once

#include <perdura/persistence/records/ids.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace perdura::client {

struct door_config {
  std::string address = "127.0.0.1"; ///< Numeric, IPv4 or IPv6.
  std::uint16_t port = 7071;         ///< 0: a free one.
  /// Connections are spread over them and stay with theirs.
  std::size_t threads = 2;

  // --- Who may come ---------------------------------------------------------

  /// Names that the Host header may have, besides loopback's, `address` and
  /// that of `public_url`.
  std::vector<std::string> hosts;

  /// Where the links that are given out begin, e.g. "https://ship.example";
  /// empty: at the address that the caller used.
  std::string public_url;

  /// Believe X-Forwarded-Proto and X-Forwarded-Host, for those links. Only
  /// behind a proxy that sets them.
  bool forwarded_headers = false;

  /// PEM: the certificate with its chain, and its key (not readable for
  /// others). Both or none.
  std::filesystem::path tls_certificate_file;
  std::filesystem::path tls_key_file;

  /// A line each: `manage KEY` or `read KEY`, "#" begins a comment; mode 0600.
  /// All keys in it are valid, so that one can be replaced by another. The
  /// environment's PERDURA_KEYS and PERDURA_KEYS_READ (separated by commas)
  /// are added to them.
  std::filesystem::path keys_file;

  /// Another address than loopback without keys or without TLS.
  bool insecure = false;

  /// How long the tokens in management URLs are good; they stand there in a
  /// key's place.
  persistence::duration token_lifetime = std::chrono::hours(24 * 30);

  // --- Limits ---------------------------------------------------------------

  std::size_t header_bytes_max = std::size_t{16} * 1024; ///< 431
  std::size_t header_fields_max = 100;                   ///< 431
  std::size_t uri_bytes_max = std::size_t{8} * 1024;     ///< 414
  std::size_t body_bytes_max = std::size_t{1024} * 1024; ///< 413
  /// From its first byte on; 408.
  persistence::duration header_time_max = std::chrono::seconds(10);
  /// Between requests (closed), for a body (408), for an answer nobody reads.
  persistence::duration idle_time_max = std::chrono::seconds(60);
  /// When full, the one that has been idle longest is closed.
  std::size_t connections_max = 12'000;
  /// Under way and not waiting for a completion; 503 beyond.
  std::size_t requests_max = 1'000;
  /// Callers that wait for a completion; 503 beyond.
  std::size_t waits_max = 10'000;
  /// How long `stop` waits for answers that are under way.
  persistence::duration stop_patience = std::chrono::seconds(5);
};

} // namespace perdura::client
