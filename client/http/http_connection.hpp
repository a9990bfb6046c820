/// One connection: reads requests, hands them over, writes answers in turn.
/// For the server's own sources; this is where Beast is seen.
#pragma once

#include "client/http/http_server.hpp"
#include "client/http/tls_session.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

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
#include <utility> // Asio 1.74 forgets it.
#include <vector>

namespace perdura::client {

namespace net = boost::asio;
using net_socket
  = net::basic_stream_socket<net::ip::tcp, net::io_context::executor_type>;
using steady_time = std::chrono::steady_clock::time_point;

class http_connection;

/// What the connections of one server share.
struct http_server_state {
  http_server_config config;
  http_handler handler;
  std::function<void(int)> refused; ///< May be empty.
  std::atomic<std::size_t> requests_open{0};
  std::atomic<std::size_t> connections_open{0};
  std::mutex mutex;
  std::condition_variable connection_closed;
};

/// A way to a worker's thread for those who may come when it has gone.
class worker_gate {
public:
  explicit worker_gate(net::io_context& context) : context_(&context) {}

  /// Runs it on the worker's thread: now if this is it, never once the gate
  /// is shut.
  template <class F>
  void dispatch(F f);

  void shut() {
    const std::lock_guard lock(mutex_);
    context_ = nullptr;
  }

private:
  std::mutex mutex_;
  net::io_context* context_;
};

/// One thread and the connections that live on it. All but the constructor
/// and `dispatch` happens on that thread.
class http_worker {
public:
  explicit http_worker(http_server_state& server);

  void adopt(net_socket socket);
  void forget(const std::shared_ptr<http_connection>& connection);
  /// Closes what is idle, ends what is parked.
  void drain();
  void close_all();

  /// For this second.
  const std::string& date();

  net::io_context context{1};
  http_server_state& server;
  std::shared_ptr<worker_gate> gate;
  /// Where every connection of this thread reads: an idle one holds none.
  std::array<char, std::size_t{64} * 1024> scratch{};
  bool stopping = false;

private:
  void tick();
  void close_oldest_idle();

  std::unordered_set<std::shared_ptr<http_connection>> connections_;
  net::steady_timer timer_{context};
  bool ticking_ = false;
  std::int64_t date_second_ = 0;
  std::string date_;
};

class http_connection : public std::enable_shared_from_this<http_connection> {
public:
  http_connection(http_worker& worker, net_socket socket);

  void start();
  void send(std::uint64_t request, http_response response);
  void park(std::uint64_t request, std::chrono::milliseconds time_out,
            std::function<void(park_end)> over);
  void check_deadline(steady_time now);
  void drain();
  void close();

  bool is_idle() const {
    return state_ == phase::idle;
  }

  steady_time deadline() const {
    return deadline_;
  }

private:
  enum class phase : std::uint8_t {
    handshake, ///< Of TLS.
    idle,      ///< Between requests.
    header,    ///< The first byte of one is there.
    body,
    handling, ///< Handed over.
    parked,   ///< Its answer will take its time.
    writing,
    draining, ///< Refused; what still comes is thrown away.
    closed,
  };

  using parser_type
    = boost::beast::http::request_parser<boost::beast::http::string_body>;

  void set_phase(phase next, persistence::duration time_max);
  void set_phase(phase next);
  void wait_readable();
  void on_readable();
  void take(std::string_view bytes);
  bool decrypt(std::string_view wire, std::string& text);
  void on_peer_while_handling();
  void parse(std::string_view bytes);
  bool put(std::string_view& bytes, bool& wants_more);
  bool check_header();
  bool has_plain_transfer_coding();
  void hand_over();
  void refuse(int status, const char* code, std::string sentence);
  void refuse_parse(const boost::system::error_code& failure);
  void write(http_response response);
  void write_encrypted();
  void flush_wire();
  void on_written(bool whole);
  void end_park(park_end why);
  void leave_count();

  http_worker& worker_;
  net_socket socket_;
  phase state_ = phase::idle;
  steady_time deadline_ = steady_time::max();
  bool waiting_ = false; ///< For the socket to be readable.
  bool counted_ = false; ///< Among the requests open.
  bool keep_alive_ = true;
  bool http_1_0_ = false;
  bool head_ = false;
  bool header_checked_ = false;
  std::size_t header_fields_ = 0; ///< What comes behind the body is none.
  bool refused_ = false;
  std::uint64_t request_ = 0;
  std::string peer_;
  std::optional<parser_type> parser_;
  std::string unread_; ///< Of the next request, or of an unfinished header.
  std::string head_text_;
  std::string body_text_;
  std::unique_ptr<tls_session> tls_;
  std::string wire_; ///< Encrypted, on its way.
  bool answer_in_wire_ = false;
  std::function<void(park_end)> over_;
  std::optional<net::steady_timer> park_timer_;
};

} // namespace perdura::client
