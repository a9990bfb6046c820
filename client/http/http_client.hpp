// SPDX-License-Identifier: Apache-2.0
/// A blocking HTTP client for the command line: one request per connection.
#pragma once

#include "client/http/http_message.hpp"
#include <perdura/persistence/records/error.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace perdura::client {

/// The URL of a node.
struct http_url {
  bool is_tls = false;
  std::string host = "127.0.0.1"; ///< A name or an address, without brackets.
  std::uint16_t port = 80;
  std::string path; ///< Prefix of all targets, without a slash at the end.

  /// Host and port as in a Host header, e.g. "[::1]:7071".
  std::string authority() const;
};

/// Parses "[http://|https://]host[:port][/path]". The default port is 80, or
/// 443 for https.
/// @error errc::invalid_argument  The text is not such a URL; the sentence
///                                says why.
persistence::result<http_url> parse_url(std::string_view text);

/// The response to a request.
struct http_reply {
  int status = 0;
  std::vector<http_header> headers;
  std::string body;

  /// The value of the first header with this name, whose case is ignored.
  /// Empty if there is no such header.
  std::string_view header(std::string_view name) const;
};

/// Options of a request.
struct http_client_options {
  /// PEM file with the certificate authorities to trust. If empty, the
  /// certificate authorities of the system are trusted.
  std::string ca_file;
};

/// Sends a request and blocks for the response. `request.target` is appended
/// to the URL's path; the headers Host, Content-Length and Connection are
/// added. With TLS the server's certificate must be valid for the URL's host.
/// @param time_out  The time-out of each of two steps. The first step is to
///                  connect, including the TLS handshake; its time-out is at
///                  most 10 s. The second step is to send the request and to
///                  receive the response.
/// @error errc::unavailable  The connection fails, the response is not HTTP,
///                           or the server's certificate is not trusted.
/// @error errc::unknown_outcome  The connection was lost after the request was
///                               begun, and the request is no GET: the server
///                               may have carried it out.
/// @error errc::invalid_argument  `ca_file` cannot be read.
/// @error errc::timed_out  A step took longer than `time_out`.
persistence::result<http_reply>
send_http_request(const http_url& url, const http_request& request,
                  std::chrono::milliseconds time_out,
                  const http_client_options& options = {});

} // namespace perdura::client
