// SPDX-License-Identifier: Apache-2.0
/// An HTTP client on a plain socket that can also send malformed requests.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace perdura::tests {

struct http_answer {
  int status = 0; ///< 0 if the connection was closed without an answer.
  std::map<std::string, std::string> headers; ///< Names are in lower case.
  std::string body;

  bool has(const std::string& header) const {
    return headers.contains(header);
  }

  /// The value of a header, or an empty string.
  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
  }

  nlohmann::json json() const {
    return nlohmann::json::parse(body);
  }
};

/// One connection to 127.0.0.1. Not thread-safe.
class http_caller {
public:
  /// @throws std::runtime_error  Nothing listens on the port.
  explicit http_caller(std::uint16_t port);
  ~http_caller();

  http_caller(const http_caller&) = delete;
  http_caller& operator=(const http_caller&) = delete;

  /// Sends the bytes as they are. Does nothing if the server has closed the
  /// connection.
  void send(std::string_view bytes);
  /// Closes the sending direction of the connection.
  void finish();
  /// Waits at most `patience` for one complete answer. The answer to HEAD has
  /// no body, whatever its Content-Length.
  http_answer receive(bool to_head = false);
  /// Waits at most `patience` until the server has closed the connection, and
  /// returns whether it has.
  bool is_closed();

  /// Sends a request with a Host header on this connection and waits for the
  /// answer. `headers` are whole lines, each with its line break.
  http_answer request(std::string_view method, std::string_view target,
                      std::string_view body = {},
                      std::string_view headers = {});

private:
  bool fill();

  int socket_ = -1;
  std::string unread_;
};

} // namespace perdura::tests
