/// Asks a node over HTTP, one question a connection, and blocks for the
/// answer. For the command line.
#pragma once

#include "client/http/http_message.hpp"
#include <perdura/persistence/error.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace perdura::client {

struct http_url {
  std::string host = "127.0.0.1"; ///< A name or an address, no brackets.
  std::uint16_t port = 80;
  std::string path; ///< Without a closing slash; may be empty.

  /// As it stands in the Host header.
  std::string authority() const;
};

/// "http://host[:port][/path]".
/// @error errc::invalid_argument, unsupported (https)
persistence::result<http_url> parse_url(std::string_view text);

struct http_reply {
  int status = 0;
  std::vector<http_header> headers;
  std::string body;

  std::string_view header(std::string_view name) const;
};

/// `request.target` is put behind the URL's path. Host, Content-Length and
/// Connection are added.
/// @error errc::unavailable  Nobody answers, or what answers is no HTTP.
/// @error errc::timed_out
persistence::result<http_reply> http_ask(const http_url& url,
                                         const http_request& request,
                                         std::chrono::milliseconds time_out);

} // namespace perdura::client
