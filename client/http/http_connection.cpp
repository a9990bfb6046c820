// SPDX-License-Identifier: Apache-2.0
#include "client/http/http_connection.hpp"

#include "actors/authoring/json_text_check.hpp"
#include "persistence/process/logging.hpp"
#include "persistence/records/text.hpp"
#include <perdura/persistence/records/time_arithmetic.hpp>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/status.hpp>

#include <exception>

namespace perdura::client {

namespace http = boost::beast::http;
using boost::system::error_code;
using std::chrono::steady_clock;

template <class F>
bool worker_dispatcher::dispatch(F&& f) {
  std::unique_lock lock(mutex_);
  if (context_ == nullptr)
    return false;
  if (context_->get_executor().running_in_this_thread()) {
    lock.unlock(); // `f` may call `dispatch` or `close`.
    f();
    return true;
  }
  net::post(*context_, std::forward<F>(f));
  return true;
}

namespace {

/// Passes a response from any thread to the connection, which may be closed by
/// then.
class exchange : public http_exchange {
public:
  /// The connection is held weakly: a handler that never responds must not keep
  /// a closed connection in memory.
  exchange(std::shared_ptr<worker_dispatcher> dispatcher,
           std::weak_ptr<http_connection> connection, std::uint64_t request)
    : dispatcher_(std::move(dispatcher)),
      connection_(std::move(connection)),
      request_(request) {}

  /// A handler that has ended without a response, for example because an
  /// exception has left it, must not leave the caller waiting.
  ~exchange() override {
    if (answered_)
      return;
    try {
      respond(error_response(500, "internal",
                             "The request was not answered because of an "
                             "error inside the node. Its log has the reason. "
                             "The operation may have been done or not."));
    } catch (...) {
      // Without memory for the response the caller's time-out remains.
    }
  }

  void respond(http_response response) override {
    // Several threads may respond; the first response is sent.
    if (answered_.exchange(true))
      return;
    dispatcher_->dispatch([connection = connection_, request = request_,
                           answer = std::move(response)]() mutable {
      if (auto alive = connection.lock())
        alive->send(request, std::move(answer));
    });
  }

  void park(std::chrono::milliseconds time_out,
            std::function<void(park_outcome)> on_end) override {
    dispatcher_->dispatch([connection = connection_, request = request_,
                           time_out, end = std::move(on_end)]() mutable {
      if (auto alive = connection.lock())
        alive->park(request, time_out, std::move(end));
    });
  }

  void run(std::function<void()> work) override {
    if (!dispatcher_->dispatch(std::move(work)))
      work();
  }

private:
  std::shared_ptr<worker_dispatcher> dispatcher_;
  /// A connection serves many requests. A late response carries the number of
  /// an earlier request and is ignored.
  std::weak_ptr<http_connection> connection_;
  std::uint64_t request_;
  std::atomic<bool> answered_{false};
};

/// Appends a header line. Control characters in the value become "?", so that
/// a value cannot end the line.
void add_header(std::string& head, std::string_view name,
                std::string_view value) {
  head += name;
  head += ": ";
  for (const char c : value)
    head += persistence::is_control(c) ? '?' : c;
  head += "\r\n";
}

/// The request without its body. Trailer fields, which follow a chunked body,
/// are dropped: a proxy that removes or checks keys in the header would not
/// have seen them.
/// @source RFC 9110, section 6.5.1.
template <class Message>
http_request head_of(const Message& message, std::size_t header_fields) {
  http_request request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  // The authority of the target replaces that of the Host header.
  // @source RFC 9112, section 3.2.2.
  const std::string_view authority = target_authority(request.target);
  if (!authority.empty())
    request.headers.push_back({"Host", std::string(authority)});
  for (const auto& field : message) {
    if (header_fields-- == 0)
      break;
    if (authority.empty() || field.name() != http::field::host)
      request.headers.push_back(
        {std::string(field.name_string()), std::string(field.value())});
  }
  return request;
}

/// An answer of at most this size is always sent: it may be that of an
/// operation that was done.
constexpr std::size_t small_answer_bytes = std::size_t{16} * 1024;

} // namespace

http_connection::http_connection(http_worker& worker, net_socket socket)
  : worker_(worker),
    socket_(std::move(socket)),
    bytes_(worker.server.buffered) {}

void http_connection::start() {
  error_code ignored;
  peer_ = socket_.remote_endpoint(ignored).address().to_string(ignored);
  socket_.non_blocking(true, ignored);
  // Responses are small and complete: sending them at once avoids a delay of up
  // to 40 ms by Nagle's algorithm.
  socket_.set_option(net::ip::tcp::no_delay(true), ignored);
  const http_server_config& config = worker_.server.config;
  if (config.tls) {
    // The handshake has the time limit of a header, so that a caller that sends
    // nothing does not hold a connection for long.
    tls_ = std::make_unique<tls_session>(config.tls);
    set_phase(phase::handshake, config.header_time_max);
  } else {
    set_phase(phase::idle, config.idle_time_max);
  }
  wait_readable();
}

void http_connection::set_phase(phase next, persistence::duration time_max) {
  set_phase(next);
  deadline_ = since_ + persistence::bounded_wait(time_max);
}

void http_connection::set_phase(phase next) {
  const waiting_kind waits_for = waiting_kind_of(next);
  if (waits_for != waits_for_)
    worker_.change_waiting(waits_for_, waits_for);
  waits_for_ = waits_for;
  state_ = next;
  since_ = steady_clock::now();
  deadline_ = steady_time::max();
}

waiting_kind http_connection::waiting_kind_of(phase next) const {
  switch (next) {
  case phase::handshake:
  case phase::header:
    return waiting_kind::header;
  case phase::idle: // before the first request the caller owes a header
    return request_.number == 0 ? waiting_kind::header : waiting_kind::nothing;
  case phase::body:
    return waiting_kind::body;
  case phase::writing:
  case phase::draining:
    return waiting_kind::reading;
  case phase::handling:
  case phase::parked:
  case phase::closed:
    break;
  }
  return waiting_kind::nothing;
}

// --- Reading ----------------------------------------------------------------

// Waits for readability instead of starting a read: an idle connection then
// needs no buffer, because `on_readable` reads into the buffer of the worker.
void http_connection::wait_readable() {
  if (waiting_)
    return;
  waiting_ = true;
  socket_.async_wait(net_socket::wait_read,
                     [self = shared_from_this()](const error_code&) {
                       self->waiting_ = false;
                       self->on_readable();
                     });
}

void http_connection::on_readable() {
  switch (state_) {
  case phase::closed:
  case phase::writing: // The next request is read after the response.
    return;
  case phase::handling:
  case phase::parked:
    read_while_handling();
    return;
  case phase::handshake:
  case phase::idle:
  case phase::header:
  case phase::body:
  case phase::draining:
    break;
  }
  error_code failure;
  const std::size_t read
    = socket_.read_some(net::buffer(worker_.scratch), failure);
  // The notification was spurious.
  if (failure == net::error::would_block || failure == net::error::try_again) {
    wait_readable();
    return;
  }
  if (failure) {
    close();
    return;
  }
  // The bytes are dropped; the deadline of the phase ends the connection.
  if (state_ == phase::draining) {
    wait_readable();
    return;
  }
  const std::string_view bytes(worker_.scratch.data(), read);
  if (!tls_) {
    process_bytes(bytes);
    return;
  }
  std::string text;
  if (!decrypt(bytes, text)) {
    close();
    return;
  }
  if (state_ == phase::handshake && tls_->is_open())
    set_phase(phase::idle, worker_.server.config.idle_time_max);
  // The bytes were a part of a TLS record or a handshake message, so there is
  // no text yet.
  if (text.empty())
    wait_readable();
  else
    process_bytes(text);
}

void http_connection::process_bytes(std::string_view bytes) {
  if (input_.unread.empty()) {
    parse(bytes);
    return;
  }
  // `input_.unread` is cleared first, because `parse` stores the unparsed rest
  // in it.
  std::string joined = std::move(input_.unread);
  input_.unread.clear();
  joined += bytes;
  parse(joined);
}

/// Called if the socket is readable while the handler works: the caller has
/// sent its next request early, or has disconnected. Only a read shows which
/// of the two has happened.
void http_connection::read_while_handling() {
  // Beyond this size no more bytes are read until the response has been sent.
  // A parked request may take minutes, so its connection is closed instead.
  constexpr std::size_t pipelined_bytes_max = std::size_t{64} * 1024;
  error_code failure;
  const std::size_t read
    = socket_.read_some(net::buffer(worker_.scratch), failure);
  if (failure == net::error::would_block || failure == net::error::try_again) {
    wait_readable();
    return;
  }
  const std::string_view bytes(worker_.scratch.data(), read);
  if (failure || (tls_ && !decrypt(bytes, input_.unread))) {
    end_park(park_outcome::disconnected);
    return;
  }
  if (!tls_)
    input_.unread += bytes;
  const bool fits = bytes_.early.set(input_.unread.size(),
                                     worker_.server.config.buffered_bytes_max);
  if (fits && input_.unread.size() < pipelined_bytes_max)
    wait_readable();
  else if (state_ == phase::parked)
    close();
}

/// Calls the handler with the parsed request.
void http_connection::dispatch_request() {
  http_server_state& server = worker_.server;
  auto message = input_.parser->release();
  input_.parser.reset();
  // From here on, calls for an earlier request have no effect.
  ++request_.number;
  request_.keep_alive = message.keep_alive();
  request_.http_1_0 = message.version() < 11;
  request_.head = message.method() == http::verb::head;
  request_.reads_only = request_.head || message.method() == http::verb::get;
  set_phase(phase::handling);
  if (server.requests_open.fetch_add(1) >= server.config.requests_max) {
    server.requests_open.fetch_sub(1);
    if (server.refused)
      server.refused(503);
    write(error_response(503, "overloaded",
                         "More than "
                           + std::to_string(server.config.requests_max)
                           + " requests are in progress; try again."));
    return;
  }
  // The slot is released by the response, by `park` or by `close`.
  request_.counted = true;
  http_request request = head_of(message, input_.header_fields);
  request.body = std::move(message.body());
  request.peer = peer_;
  // The responder may outlive this connection; see `exchange`.
  const http_responder responder(std::make_shared<exchange>(
    worker_.dispatcher, weak_from_this(), request_.number));
  try {
    server.handler(std::move(request), responder);
  } catch (const std::exception& failure) {
    persistence::log(
      persistence::log_channel::client, persistence::log_level::error,
      std::string("the handler of a request threw an exception: ")
        + failure.what());
    responder.respond(
      error_response(500, "internal", "This is a defect of Perdura."));
  }
}

/// The request whose header is complete, for `http_server_state::admit`.
http_request http_connection::request_head() const {
  http_request request = head_of(input_.parser->get(), input_.header_fields);
  request.peer = peer_;
  return request;
}

// --- Waiting ----------------------------------------------------------------

void http_connection::park(std::uint64_t request,
                           std::chrono::milliseconds time_out,
                           std::function<void(park_outcome)> on_end) {
  if (request != request_.number || state_ != phase::handling)
    return;
  // A parked request does not count as a request in progress, and has no
  // deadline except its own timer.
  release_request_slot();
  bytes_.body.release(); // the gateway has the body
  set_phase(phase::parked);
  park_.on_end = std::move(on_end);
  // The worker began to drain before this call arrived on the worker's thread.
  if (worker_.stopping) {
    end_park(park_outcome::stopping);
    return;
  }
  park_.timer.emplace(worker_.context, persistence::bounded_wait(time_out));
  park_.timer->async_wait(
    [self = shared_from_this(), request](const error_code& failure) {
      // The timer may fire after the response, when the connection already
      // serves the next request.
      if (!failure && request == self->request_.number)
        self->end_park(park_outcome::timed_out);
    });
  wait_readable();
}

void http_connection::end_park(park_outcome why) {
  if (!park_.on_end)
    return;
  // The member is cleared first, because the callback responds and may close
  // the connection. The local variable keeps the callback alive while it runs.
  const auto on_end = std::exchange(park_.on_end, nullptr);
  if (state_ == phase::parked)
    set_phase(phase::handling);
  park_.timer.reset();
  on_end(why);
}

void http_connection::release_request_slot() {
  if (std::exchange(request_.counted, false))
    worker_.server.requests_open.fetch_sub(1);
}

// --- Responses --------------------------------------------------------------

// Ignores a response to an earlier request, and a second response to the
// current request.
void http_connection::send(std::uint64_t request, http_response response) {
  if (request != request_.number
      || (state_ != phase::handling && state_ != phase::parked))
    return;
  release_request_slot();
  bytes_.body.release();
  park_.on_end = nullptr;
  park_.timer.reset();
  const std::size_t bytes = response.body.size();
  const std::size_t most = worker_.server.config.buffered_bytes_max;
  if (bytes <= small_answer_bytes) {
    bytes_.answer.set_always(bytes);
  } else if (!bytes_.answer.set(bytes, most)) {
    // A request that only reads may be repeated. Any other one was done.
    const std::string sentence
      = "The answer has " + std::to_string(bytes)
        + " bytes, and the answers that callers have not read yet use up "
          "limits.buffered_bytes_max ("
        + std::to_string(most) + " bytes).";
    response = request_.reads_only
                 ? error_response(503, "overloaded", sentence + " Try again.")
                 : error_response(504, "unknown_outcome",
                                  sentence
                                    + " The request was done; get the status "
                                      "of the instance.");
    if (worker_.server.refused)
      worker_.server.refused(response.status);
  }
  write(std::move(response));
}

/// Responds to a request that the server cannot serve, and closes afterwards.
void http_connection::refuse(int status, const char* code, std::string sentence,
                             const std::vector<http_header>& headers) {
  if (worker_.server.refused)
    worker_.server.refused(status);
  http_response response = error_response(status, code, sentence);
  response.headers.insert(response.headers.end(), headers.begin(),
                          headers.end());
  refuse_with(std::move(response));
}

void http_connection::write(http_response response) {
  // The time for a response grows by a second for each 256 KiB, so that slow
  // readers can receive large responses, but cannot hold a connection open
  // forever.
  set_phase(phase::writing,
            persistence::saturated_sum(
              worker_.server.config.idle_time_max,
              std::chrono::seconds(response.body.size() >> 18U)));
  // While the server stops, each response closes its connection.
  request_.keep_alive = request_.keep_alive && !worker_.stopping;
  const auto reason
    = http::obsolete_reason(static_cast<http::status>(response.status));
  output_.head = "HTTP/1.1 " + std::to_string(response.status) + ' ';
  output_.head.append(reason.data(), reason.size());
  output_.head += "\r\n";
  // An origin server with a clock must send Date.
  // @source RFC 9110, section 6.6.1.
  add_header(output_.head, "Date", worker_.date());
  if (!response.body.empty())
    add_header(output_.head, "Content-Type", response.content_type);
  add_header(output_.head, "Content-Length",
             std::to_string(response.body.size()));
  for (const http_header& each : response.headers)
    add_header(output_.head, each.name, each.value);
  if (!request_.keep_alive)
    add_header(output_.head, "Connection", "close");
  else if (request_.http_1_0)
    add_header(output_.head, "Connection", "keep-alive");
  output_.head += "\r\n";
  // A response to HEAD has the Content-Length of the body that it leaves out.
  output_.body = request_.head ? std::string() : std::move(response.body);
  if (tls_) {
    write_encrypted();
    return;
  }
  // Head and body are sent by one system call without copying the body. Both
  // strings must stay unchanged until `on_written`.
  const std::array<net::const_buffer, 2> parts{net::buffer(output_.head),
                                               net::buffer(output_.body)};
  net::async_write(
    socket_, parts,
    [self = shared_from_this()](const error_code& failure, std::size_t) {
      self->on_written(!failure);
    });
}

void http_connection::on_written(bool whole) {
  if (state_ == phase::closed)
    return;
  const http_server_config& config = worker_.server.config;
  // Frees the memory, so that an idle connection holds no response.
  output_.head = {};
  output_.body = {};
  bytes_.answer.release();
  bytes_.body.release();
  if (!whole || (!request_.keep_alive && !request_.refused)
      || (worker_.stopping && !request_.refused)) {
    close();
    return;
  }
  if (request_.refused) {
    // If the socket were closed while the caller still sends, the kernel would
    // reset the connection, and the caller could lose the response. So bytes of
    // the caller are read and dropped for two seconds.
    error_code ignored;
    socket_.shutdown(net_socket::shutdown_send, ignored);
    input_.unread = {};
    set_phase(phase::draining, std::chrono::seconds(2));
    wait_readable();
    return;
  }
  // Bytes that the caller has sent early are parsed before the next read.
  set_phase(phase::idle, config.idle_time_max);
  if (input_.unread.empty()) {
    wait_readable();
    return;
  }
  const std::string next = std::exchange(input_.unread, {});
  bytes_.early.release();
  parse(next);
}

// --- Closing ----------------------------------------------------------------

void http_connection::check_deadline(steady_time now) {
  if (now < deadline_)
    return;
  switch (state_) {
  case phase::header:
    // A caller that sends one byte at a time is refused too, because the
    // deadline counts from the first byte.
    refuse(408, "timed_out", "The header was not received in time.");
    return;
  case phase::body:
    refuse(408, "timed_out",
           "The body was not received in time: the caller was silent for "
           "limits.idle_time_max, or sent less than 1 KiB/s.");
    return;
  default:
    close();
    return;
  }
}

void http_connection::drain() {
  if (state_ == phase::parked)
    end_park(park_outcome::stopping);
  // A connection whose request is being handled or answered is closed after the
  // response; every other connection is closed now.
  else if (state_ != phase::handling && state_ != phase::writing)
    close();
}

void http_connection::close() {
  if (state_ == phase::closed)
    return;
  // Keeps this object alive: `remove_connection` below may release the last
  // other reference to it.
  const auto self = shared_from_this();
  // If a request is parked, tells its handler that the caller has disconnected.
  // Otherwise the handler would continue to wait for an outcome that no caller
  // receives.
  end_park(park_outcome::disconnected);
  release_request_slot();
  set_phase(phase::closed);
  error_code ignored;
  // The close notification is left out if other TLS records are being sent,
  // because it must not be written into the middle of a record.
  if (tls_ && output_.encrypted.empty()) {
    tls_->close();
    const std::string notification = tls_->take_output();
    if (!notification.empty())
      socket_.write_some(net::buffer(notification), ignored);
  }
  socket_.shutdown(net_socket::shutdown_both, ignored);
  socket_.close(ignored);
  park_.timer.reset();
  input_.parser.reset();
  bytes_.release();
  worker_.remove_connection(self);
}

} // namespace perdura::client
