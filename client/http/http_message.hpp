// SPDX-License-Identifier: Apache-2.0
/// HTTP requests and responses as values, and the handle through which a
/// request is answered. Independent of sockets.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace perdura::client {

struct http_header {
  std::string name;
  std::string value;
};

struct http_request {
  std::string method;
  std::string target; ///< Path and query as sent, percent-encoded.
  std::vector<http_header> headers;
  std::string body;
  std::string peer; ///< IP address of the caller, without the port.

  /// The value of the first header with this name, whose case is ignored.
  /// Empty if there is no such header.
  std::string_view header(std::string_view name) const;
};

struct http_response {
  int status = 200;
  std::string body; ///< Its media type is `content_type`.
  std::vector<http_header> headers = {};
  std::string content_type = "application/json; charset=utf-8";
};

/// A response that the server itself sends, in the form of the HTTP API's
/// errors. With 503 it has the header Retry-After.
http_response error_response(int status, const char* code,
                             std::string_view sentence);

/// Why a parked request has stopped waiting for its response.
enum class park_outcome : std::uint8_t { timed_out, disconnected, stopping };

/// The server's side of one request. Implemented by the connection.
class http_exchange {
public:
  virtual ~http_exchange() = default;
  /// See `http_responder::respond` and `http_responder::park`.
  virtual void respond(http_response response) = 0;
  virtual void park(std::chrono::milliseconds time_out,
                    std::function<void(park_outcome)> on_end)
    = 0;

  /// See `http_responder::run`. An exchange without a thread of its own runs
  /// `work` at once.
  virtual void run(std::function<void()> work) {
    work();
  }
};

/// A handle to one request in progress, through which it is answered once, at
/// any time. Copies refer to the same request.
///
/// Thread-safe. If the connection has been closed, calls have no effect.
class http_responder {
public:
  explicit http_responder(std::shared_ptr<http_exchange> exchange)
    : exchange_(std::move(exchange)) {}

  /// Sends the response. Every response after the first is dropped.
  void respond(http_response response) const {
    exchange_->respond(std::move(response));
  }

  /// Announces that the response depends on an event that may come late, such
  /// as the end of an instance. A parked request does not count as a request
  /// in progress. No effect if the request has been answered or parked before.
  /// @param on_end  Called at most once, on a thread of the server, if there is
  ///                still no response when the time-out has elapsed, the caller
  ///                disconnects, or the server stops. The callback must
  ///                respond.
  void park(std::chrono::milliseconds time_out,
            std::function<void(park_outcome)> on_end) const {
    exchange_->park(time_out, std::move(on_end));
  }

  /// Runs `work` on the server's thread of the connection: at once if called on
  /// that thread, else later. For the work of a response, such as formatting
  /// it, when the answer arrives on a thread that must not do it. `work` always
  /// runs; after the server has stopped, it runs on the calling thread.
  void run(std::function<void()> work) const {
    exchange_->run(std::move(work));
  }

private:
  std::shared_ptr<http_exchange> exchange_;
};

/// Serves one request. Called on a thread of the server; it must not block.
using http_handler = std::function<void(http_request, http_responder)>;

/// Decides about a request whose header is complete and whose body has not been
/// read; `body` of the argument is empty. Returns the response that refuses it,
/// or no value. Called on a thread of the server; it must not block.
using http_admission
  = std::function<std::optional<http_response>(const http_request&)>;

} // namespace perdura::client
