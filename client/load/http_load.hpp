// SPDX-License-Identifier: Apache-2.0
/// A load generator for the HTTP API of Perdura nodes. It keeps many
/// connections open, sends requests on them from one thread, and records the
/// latency of each response.
///
/// It parses only the part of HTTP/1.1 that a Perdura node uses
/// (Content-Length bodies, no chunked encoding), so that it takes little CPU
/// time from the nodes that it measures on the same machine.
#pragma once

#include "client/load/latencies.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::client {

/// The path of the management API.
inline const std::string webhook = "/runtime/webhooks/durabletask";

/// The HTTP endpoint of a node, without TLS.
struct load_endpoint {
  /// A host name or a numeric address; an IPv6 address has no brackets.
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  /// The access key, sent with each request. Empty means no key.
  std::string key;

  /// "HOST:PORT", with brackets around an IPv6 address.
  std::string authority() const;
};

/// The bytes of one HTTP/1.1 request to this endpoint: request line, headers
/// and body.
std::string request_text(const load_endpoint& endpoint, std::string_view method,
                         std::string_view target, std::string_view body = {});

/// The same for an endpoint on 127.0.0.1 that needs no access key.
std::string request_text(std::string_view method, std::string_view target,
                         std::string_view body = {});

/// One response, or the loss of the connection that waited for one. `head` and
/// `body` are valid only during the call of the response handler.
struct load_response {
  using time_point = std::chrono::steady_clock::time_point;

  std::size_t connection = 0; ///< Index of the connection.
  int status = 0;        ///< HTTP status; 0 means that the connection was lost.
  std::string_view head; ///< Status line and headers.
  std::string_view body;
  time_point sent_at;
  time_point received_at;
};

/// The totals of one run.
struct load_outcome {
  std::uint64_t responses = 0; ///< Includes those that failed the check.
  /// Requests that were not sent, that lost their connection, that got no
  /// response in time, or whose response did not pass the check.
  std::uint64_t failures = 0;
  double seconds = 0; ///< From the first request to the last response.
  latencies times;    ///< Latencies of all responses.

  /// Responses per second; 0 before the first run.
  double rate() const {
    return seconds > 0 ? static_cast<double>(responses) / seconds : 0;
  }
};

/// Not thread-safe: one thread owns an http_load and calls it.
class http_load {
public:
  using time_point = load_response::time_point;
  /// Returns the next request to send on this connection. The text must stay
  /// valid until the next call. Empty means that the connection sends no more.
  using next_request = std::function<std::string_view(std::size_t connection)>;
  /// Returns true if the response is the expected one.
  using check_response = std::function<bool(std::size_t connection, int status,
                                            std::string_view body)>;
  using response_handler = std::function<void(const load_response&)>;

  /// Opens all connections; connection i goes to endpoint i modulo the number
  /// of endpoints. Sets the process's limit of open files to 65,536, or to the
  /// hard limit if that is lower.
  /// @throws std::runtime_error  An endpoint refused the connection; the
  ///                             message names the endpoint.
  http_load(std::vector<load_endpoint> endpoints, std::size_t connections);
  http_load(std::uint16_t port, std::size_t connections);
  ~http_load();

  http_load(const http_load&) = delete;
  http_load& operator=(const http_load&) = delete;

  /// Sets a function that is called about ten times a second while this object
  /// waits for responses. The wait ends when the function returns false.
  void on_tick(std::function<bool()> tick) {
    tick_ = std::move(tick);
  }

  /// Sets the response timeout: a wait ends when no response has arrived for
  /// this time. Default: 30 s.
  void set_response_timeout(std::chrono::seconds timeout) {
    response_timeout_ = timeout;
  }

  std::size_t connections() const {
    return connections_.size();
  }

  /// The index of the endpoint that a connection goes to.
  std::size_t endpoint_of(std::size_t index) const {
    return index % endpoints_.size();
  }

  /// Runs a closed loop: each connection sends its next request as soon as it
  /// has received the response to its previous request. Ends when the time is
  /// over or `next` returns an empty request, and then waits for the pending
  /// responses.
  load_outcome run(std::chrono::milliseconds time, const next_request& next,
                   const check_response& check);

  /// Runs an open loop: sends `rate` requests a second, independent of how fast
  /// responses arrive. A latency is counted from the time at which the request
  /// was due, not from the time at which it was sent. A stall of the node
  /// therefore also increases the latency of the requests that were due during
  /// the stall. Requests that could not be sent within twice `time` are
  /// failures.
  load_outcome run_open_loop(double rate, std::chrono::milliseconds time,
                             const next_request& next,
                             const check_response& check);

  /// Sends one request on each connection; returns when all are written. A
  /// connection for which `next` returns an empty request sends none.
  void send_all(const next_request& next);

  /// Waits until all requests that were sent, e.g. by send_all, have a
  /// response. If the wait ends early, requests without a response count as
  /// failures.
  load_outcome collect(const check_response& check);

  /// Sends one request on a connection that has no request pending. Reconnects
  /// first if the connection was lost. If the request cannot be written, a
  /// later wait reports the connection as lost.
  void send(std::size_t index, std::string_view request);

  /// Waits at most this long for responses and calls `handler` for each one;
  /// `handler` may send the next request. Returns false if no response arrived
  /// within the response timeout, or if the tick function returned false.
  bool wait(std::chrono::nanoseconds time_max, const response_handler& handler);

  /// The number of requests that have no response yet.
  std::size_t pending() const {
    return pending_;
  }

private:
  struct connection {
    int socket = -1; ///< -1 if the last attempt to connect failed.
    bool awaits_response = false;
    time_point sent_at; ///< When the pending request was sent.
    std::string unread; ///< The first bytes of an incomplete response.
  };

  load_outcome run_until_answered(std::chrono::milliseconds time,
                                  const next_request& next,
                                  const check_response& check);
  void connect(std::size_t index);
  void receive(std::size_t index, time_point now,
               const response_handler& handler);
  void handle_disconnect(std::size_t index, time_point now,
                         const response_handler& handler);
  bool must_stop(time_point now);

  std::vector<load_endpoint> endpoints_;
  std::function<bool()> tick_;
  std::chrono::seconds response_timeout_{30};
  int epoll_ = -1;          ///< Watches the sockets of all connections.
  std::size_t pending_ = 0; ///< Connections that await a response.
  /// The time at which bytes last arrived, or at which the oldest pending
  /// request was sent, whichever is later.
  time_point last_response_at_;
  time_point last_tick_at_;
  /// All connections share this buffer; it holds the bytes of one read.
  std::vector<char> receive_buffer_;
  std::vector<connection> connections_;
};

} // namespace perdura::client
