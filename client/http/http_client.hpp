/// Asks a node over HTTP, one question a connection, and blocks for the
/// answer. For the command line.
#pragma once

#include "client/http/http_message.hpp"
#include <perdura/persistence/records/error.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace perdura::client {

struct http_url {
  bool is_tls = false;
  std::string host = "127.0.0.1"; ///< A name or an address, no brackets.
  std::uint16_t port = 80;
  std::string path; ///< Without a closing slash; may be empty.

  /// As it stands in the Host header.
  std::string authority() const;
};

/// "http://host[:port][/path]", or https.
/// @error errc::invalid_argument
persistence::result<http_url> parse_url(std::string_view text);

struct http_reply {
  int status = 0;
  std::vector<http_header> headers;
  std::string body;

  std::string_view header(std::string_view name) const;
};

struct http_client_options {
  /// PEM: whom to trust to name servers, in place of the system's list.
  std::string ca_file;
};

/// `request.target` is put behind the URL's path. Host, Content-Length and
/// Connection are added.
/// A server's certificate must be good for the URL's host.
/// @error errc::unavailable  Nobody answers, what answers is no HTTP, or its
///                           certificate is not to be trusted.
/// @error errc::invalid_argument  `ca_file` cannot be used.
/// @error errc::timed_out
persistence::result<http_reply>
http_ask(const http_url& url, const http_request& request,
         std::chrono::milliseconds time_out,
         const http_client_options& options = {});

} // namespace perdura::client
