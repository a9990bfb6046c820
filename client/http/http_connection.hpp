// SPDX-License-Identifier: Apache-2.0
/// The connections of the HTTP server and the threads that run them. Internal
/// to the server; no other header includes Boost.Beast.
#pragma once

#include "client/http/byte_budget.hpp"
#include "client/http/growing_body.hpp"
#include "client/http/http_server.hpp"
#include "client/http/tls_session.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/parser.hpp>

#include <array>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility> // Asio of Boost 1.74 uses this header without including it.
#include <vector>

namespace perdura::client {

namespace net = boost::asio;
using net_socket
  = net::basic_stream_socket<net::ip::tcp, net::io_context::executor_type>;
using steady_time = std::chrono::steady_clock::time_point;

class http_connection;

/// The state that the connections of one server share. Configuration and
/// callbacks are set before the threads start.
struct http_server_state {
  http_server_config config;
  http_handler handler;
  /// Called when a header is complete and a body follows. May be empty.
  http_admission admit;
  /// Called with the status code of each response that the server sends without
  /// the handler. May be empty.
  std::function<void(int)> refused;
  /// Requests in progress, without the parked ones.
  std::atomic<std::size_t> requests_open{0};
  std::atomic<std::size_t> connections_open{0};
  /// Bodies and answers; at most `config.buffered_bytes_max`.
  byte_budget buffered;
  std::mutex mutex; ///< For `connection_closed`.
  /// Notified after each removed connection, for `http_server::stop`.
  std::condition_variable connection_closed;
};

/// Runs functions on a worker's thread. Other threads share this object, which
/// remains valid after the worker has been destroyed. Thread-safe.
class worker_dispatcher {
public:
  explicit worker_dispatcher(net::io_context& context) : context_(&context) {}

  /// Runs `f` on the worker's thread: at once if the caller already runs on
  /// that thread, else later. Returns false, and neither runs nor moves `f`,
  /// after `close`.
  template <class F>
  bool dispatch(F&& f);

  void close() {
    const std::lock_guard lock(mutex_);
    context_ = nullptr;
  }

private:
  std::mutex mutex_;
  net::io_context* context_;
};

/// The event that a connection makes the server wait for. Each kind has a limit
/// of its own, so that callers of one kind cannot use up the connections of
/// all.
enum class waiting_kind : std::uint8_t {
  header,  ///< A complete header; also a connection without a request yet.
  body,    ///< The rest of a body.
  reading, ///< The caller must read an answer.
  nothing, ///< Idle between requests, or the server is at work.
};

/// One thread of the server and its connections. All functions except the
/// constructor must be called on that thread.
class http_worker {
public:
  explicit http_worker(http_server_state& server);

  /// Makes a connection of an accepted socket. If there are too many
  /// connections, closes the one that has been idle for the longest time; if
  /// none is idle, refuses the new one with 503.
  void add_connection(net_socket socket);
  void remove_connection(const std::shared_ptr<http_connection>& connection);
  /// Closes idle connections and ends parked requests. From now on every
  /// connection is closed after its response.
  void drain();
  void close_all();

  /// The value of the header Date, formatted once a second.
  const std::string& date();

  /// A connection waits for something else from now on.
  void change_waiting(waiting_kind from, waiting_kind to);
  /// True if more connections wait for this than the share of this thread.
  bool is_above_limit(waiting_kind what) const;

  net::io_context context{1};
  http_server_state& server;
  std::shared_ptr<worker_dispatcher> dispatcher;
  /// The read buffer of all connections of this thread, so that an idle
  /// connection needs none.
  std::array<char, std::size_t{64} * 1024> scratch{};
  bool stopping = false;

private:
  /// Checks the deadlines of all connections, every 250 ms.
  void tick();
  void close_oldest_idle();
  /// Closes the connection that has waited for this for the longest time.
  void close_oldest(waiting_kind what);
  void close_slow_readers(steady_time now);
  std::size_t share_of(std::size_t limit) const;

  std::array<std::size_t, 4> waiting_{}; ///< By waiting_kind.
  std::unordered_set<std::shared_ptr<http_connection>> connections_;
  net::steady_timer timer_{context};
  bool ticking_ = false;
  std::int64_t date_second_ = 0;
  std::string date_;
};

/// One connection as a state machine: it reads a request, calls the handler,
/// writes the response, and repeats. All functions must be called on the
/// worker's thread.
///
/// In the functions below, `request` is the number of a request. A call has no
/// effect if `request` is not the number of the current request.
class http_connection : public std::enable_shared_from_this<http_connection> {
public:
  http_connection(http_worker& worker, net_socket socket);

  void start();
  /// Sends the response of a request.
  void send(std::uint64_t request, http_response response);
  /// See `http_responder::park`.
  void park(std::uint64_t request, std::chrono::milliseconds time_out,
            std::function<void(park_outcome)> on_end);
  /// If the deadline of the phase has passed, responds with 408 or closes.
  void check_deadline(steady_time now);
  /// See `http_worker::drain`.
  void drain();
  void close();

  bool is_idle() const {
    return state_ == phase::idle;
  }

  steady_time deadline() const {
    return deadline_;
  }

  waiting_kind waits_for() const {
    return waits_for_;
  }

  /// When the present phase began.
  steady_time since() const {
    return since_;
  }

private:
  enum class phase : std::uint8_t {
    handshake, ///< The TLS handshake is not complete.
    idle,      ///< Between requests.
    header,    ///< The first byte of a request has been received.
    body,      ///< The header is complete and valid.
    handling,  ///< The handler has been called.
    parked,    ///< The handler has parked the request.
    writing,   ///< The response is being sent.
    draining,  ///< A refusal was sent; further bytes are read and dropped.
    closed,
  };

  using parser_type = boost::beast::http::request_parser<growing_body>;

  /// Enters a phase that may last for `time_max`.
  void set_phase(phase next, persistence::duration time_max);
  /// Enters a phase without a deadline.
  void set_phase(phase next);
  waiting_kind waiting_kind_of(phase next) const;
  /// Calls `on_readable` when the socket is readable. At most one wait is
  /// pending. Without a pending wait the connection receives no further bytes.
  void wait_readable();
  void on_readable();
  /// Parses the received bytes, together with the unparsed bytes that were
  /// received before.
  void process_bytes(std::string_view bytes);
  bool decrypt(std::string_view encrypted, std::string& text);
  void read_while_handling();
  void parse(std::string_view bytes);
  bool feed_parser(std::string_view& bytes, bool& wants_more);
  bool check_header();
  bool admit_body();
  bool charge_body();
  void extend_body_time();
  http_request request_head() const;
  bool has_plain_transfer_coding();
  bool has_plain_content_coding();
  void dispatch_request();
  void refuse(int status, const char* code, std::string sentence,
              const std::vector<http_header>& headers = {});
  void refuse_with(http_response response);
  /// Refuses a request with the status code for an error of the parser.
  void refuse_parse(const boost::system::error_code& failure);
  void write(http_response response);
  /// The part of `write` for a connection with TLS.
  void write_encrypted();
  void send_encrypted();
  /// Called when the write of a response has ended. Closes the connection, or
  /// continues with the next request.
  /// @param whole  The response has been sent completely.
  void on_written(bool whole);
  /// Ends a parked request, if there is one, and calls its callback.
  void end_park(park_outcome why);
  /// Removes the request from `requests_open`. Idempotent.
  void release_request_slot();

  /// The request that is being received, handled or answered.
  struct current_request {
    std::uint64_t number = 0;
    bool counted = false; ///< It counts in `requests_open`.
    bool keep_alive = true;
    bool http_1_0 = false;   ///< Keep-alive must be announced in the response.
    bool head = false;       ///< The method is HEAD: the response has no body.
    bool refused = false;    ///< The server itself refused it.
    bool reads_only = false; ///< GET or HEAD: it changes nothing.
  };

  /// The bytes that were received and are not handled yet.
  struct received_bytes {
    std::optional<parser_type> parser;
    bool header_checked = false;
    steady_time body_began{}; ///< When the header was complete.
    /// The number of header fields. Trailer fields after a body do not count.
    std::size_t header_fields = 0;
    /// Bytes that have been read but not parsed: the next request, or the rest
    /// of an incomplete header.
    std::string unread;
  };

  /// The response that is being sent.
  struct response_bytes {
    std::string head;
    std::string body;
    std::string encrypted; ///< TLS records that are being sent.
    /// The TLS session has encrypted the whole response. `on_written` must be
    /// called when all output of the session has been sent.
    bool is_encrypted = false;
  };

  /// The wait of a parked request.
  struct parked_request {
    std::function<void(park_outcome)> on_end;
    std::optional<net::steady_timer> timer;
  };

  /// The memory that this connection uses.
  struct buffered_bytes {
    explicit buffered_bytes(byte_budget& budget)
      : body(budget), answer(budget), early(budget) {}

    void release() {
      body.release();
      answer.release();
      early.release();
    }

    byte_lease body;   ///< The body of the current request.
    byte_lease answer; ///< `output_`.
    byte_lease early;  ///< `input_.unread` while a request is handled.
  };

  http_worker& worker_;
  net_socket socket_;
  phase state_ = phase::idle;
  steady_time deadline_ = steady_time::max(); ///< End of the phase.
  steady_time since_{};                       ///< Begin of the phase.
  waiting_kind waits_for_ = waiting_kind::nothing;
  bool waiting_ = false; ///< A wait for the socket to be readable is pending.
  std::string peer_;
  std::unique_ptr<tls_session> tls_;
  current_request request_;
  received_bytes input_;
  response_bytes output_;
  parked_request park_;
  buffered_bytes bytes_;
};

} // namespace perdura::client
