/// Talks to a door over a bare socket, as rudely as a test wants to.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace perdura::tests {

struct http_answer {
  int status = 0; ///< 0: the connection was closed without an answer.
  std::map<std::string, std::string> headers; ///< Names in lower case.
  std::string body;

  bool has(const std::string& header) const {
    return headers.contains(header);
  }

  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
  }

  nlohmann::json json() const {
    return nlohmann::json::parse(body);
  }
};

class http_caller {
public:
  explicit http_caller(std::uint16_t port);
  ~http_caller();

  http_caller(const http_caller&) = delete;
  http_caller& operator=(const http_caller&) = delete;

  void send(std::string_view bytes);
  /// No more will be sent.
  void finish();
  /// Blocks, at most 20 s, for one whole answer.
  http_answer receive();
  /// Has the other side closed? Blocks until it has, or 20 s.
  bool is_closed();

  /// A request with a Host header, on this connection.
  http_answer ask(std::string_view method, std::string_view target,
                  std::string_view body = {}, std::string_view headers = {});

private:
  bool fill();

  int socket_ = -1;
  std::string unread_;
};

} // namespace perdura::tests
