/// A request as a door sees it, and the way to answer it: once, at any time,
/// from any thread. No sockets here.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
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
  std::string target; ///< As sent: path and query, still encoded.
  std::vector<http_header> headers;
  std::string body;
  std::string peer; ///< The caller's address, without its port.

  /// Any case; empty if it is not there.
  std::string_view header(std::string_view name) const;
};

struct http_response {
  int status = 200;
  std::string body; ///< Sent as JSON unless `content_type` says otherwise.
  std::vector<http_header> headers = {};
  std::string content_type = "application/json; charset=utf-8";
};

/// Why a parked request is not waited for any longer.
enum class park_end : std::uint8_t { time_over, caller_gone, stopping };

/// What a server does for a request under way.
class http_exchange {
public:
  virtual ~http_exchange() = default;
  virtual void respond(http_response response) = 0;
  virtual void park(std::chrono::milliseconds time_out,
                    std::function<void(park_end)> over)
    = 0;
};

/// A handle on one request under way; copies are the same request.
class http_responder {
public:
  explicit http_responder(std::shared_ptr<http_exchange> exchange)
    : exchange_(std::move(exchange)) {}

  /// Sends the answer. Only the first one counts.
  void respond(http_response response) const {
    exchange_->respond(std::move(response));
  }

  /// The answer will take its time. `over` is called at most once, on the
  /// server's thread, when there is still none and the time is over, the
  /// caller has gone or the server stops; it then gives one.
  void park(std::chrono::milliseconds time_out,
            std::function<void(park_end)> over) const {
    exchange_->park(time_out, std::move(over));
  }

private:
  std::shared_ptr<http_exchange> exchange_;
};

/// Must not block.
using http_handler = std::function<void(http_request, http_responder)>;

/// ASCII letters of any case are the same.
bool same_letters(std::string_view a, std::string_view b);

} // namespace perdura::client
