#include "client/http/http_connection.hpp"

#include "actors/authoring/json_text_check.hpp"
#include "persistence/process/logging.hpp"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/status.hpp>

#include <exception>

namespace perdura::client {

namespace http = boost::beast::http;
using boost::system::error_code;
using std::chrono::steady_clock;

template <class F>
void worker_gate::dispatch(F f) {
  std::unique_lock lock(mutex_);
  if (context_ == nullptr)
    return;
  if (context_->get_executor().running_in_this_thread()) {
    lock.unlock();
    f();
    return;
  }
  net::post(*context_, std::move(f));
}

namespace {

/// Bridges the handler's world to the connection that waits.
class exchange : public http_exchange {
public:
  exchange(std::shared_ptr<worker_gate> gate,
           std::weak_ptr<http_connection> connection, std::uint64_t request)
    : gate_(std::move(gate)),
      connection_(std::move(connection)),
      request_(request) {}

  void respond(http_response response) override {
    if (answered_.exchange(true))
      return;
    gate_->dispatch([connection = connection_, request = request_,
                     answer = std::move(response)]() mutable {
      if (auto alive = connection.lock())
        alive->send(request, std::move(answer));
    });
  }

  void park(std::chrono::milliseconds time_out,
            std::function<void(park_end)> over) override {
    gate_->dispatch([connection = connection_, request = request_, time_out,
                     end = std::move(over)]() mutable {
      if (auto alive = connection.lock())
        alive->park(request, time_out, std::move(end));
    });
  }

private:
  std::shared_ptr<worker_gate> gate_;
  std::weak_ptr<http_connection> connection_;
  std::uint64_t request_;
  std::atomic<bool> answered_{false};
};

/// No byte of a value can end the line.
void add_header(std::string& head, std::string_view name,
                std::string_view value) {
  head += name;
  head += ": ";
  for (const char c : value)
    head += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
  head += "\r\n";
}

http_response error_response(int status, const char* code,
                             std::string_view sentence) {
  http_response response{status, "{\"Message\":"};
  response.body += actors::json_string(sentence);
  response.body += ",\"Code\":";
  response.body += actors::json_string(code);
  response.body += '}';
  if (status == 503)
    response.headers.push_back({"Retry-After", "1"});
  return response;
}

} // namespace

http_connection::http_connection(http_worker& worker, net_socket socket)
  : worker_(worker), socket_(std::move(socket)) {}

void http_connection::start() {
  error_code ignored;
  peer_ = socket_.remote_endpoint(ignored).address().to_string(ignored);
  socket_.non_blocking(true, ignored);
  socket_.set_option(net::ip::tcp::no_delay(true), ignored);
  const http_server_config& config = worker_.server.config;
  if (config.tls) {
    tls_ = std::make_unique<tls_session>(config.tls);
    set_phase(phase::handshake, config.header_time_max);
  } else {
    set_phase(phase::idle, config.idle_time_max);
  }
  wait_readable();
}

void http_connection::set_phase(phase next, persistence::duration time_max) {
  state_ = next;
  deadline_ = steady_clock::now() + time_max;
}

void http_connection::set_phase(phase next) {
  state_ = next;
  deadline_ = steady_time::max();
}

// --- Reading ----------------------------------------------------------------

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
  case phase::writing: // What comes next is read after the answer.
    return;
  case phase::handling:
  case phase::parked:
    on_peer_while_handling();
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
  if (failure == net::error::would_block || failure == net::error::try_again) {
    wait_readable();
    return;
  }
  if (failure) {
    close();
    return;
  }
  if (state_ == phase::draining) {
    wait_readable();
    return;
  }
  const std::string_view bytes(worker_.scratch.data(), read);
  if (!tls_) {
    take(bytes);
    return;
  }
  std::string text;
  if (!decrypt(bytes, text)) {
    close();
    return;
  }
  if (state_ == phase::handshake && tls_->is_open())
    set_phase(phase::idle, worker_.server.config.idle_time_max);
  if (text.empty())
    wait_readable();
  else
    take(text);
}

/// Takes the next bytes of requests.
void http_connection::take(std::string_view bytes) {
  if (unread_.empty()) {
    parse(bytes);
    return;
  }
  std::string joined = std::move(unread_);
  unread_.clear();
  joined += bytes;
  parse(joined);
}

/// Readable while nothing is expected: the caller sends its next request
/// early, or has gone. Only reading tells the two apart.
void http_connection::on_peer_while_handling() {
  // Beyond it, who sends early has to wait; who also waits is not served.
  constexpr std::size_t early_bytes_max = std::size_t{64} * 1024;
  error_code failure;
  const std::size_t read
    = socket_.read_some(net::buffer(worker_.scratch), failure);
  if (failure == net::error::would_block || failure == net::error::try_again) {
    wait_readable();
    return;
  }
  const std::string_view bytes(worker_.scratch.data(), read);
  if (failure || (tls_ && !decrypt(bytes, unread_))) {
    end_park(park_end::caller_gone);
    return;
  }
  if (!tls_)
    unread_ += bytes;
  if (unread_.size() < early_bytes_max)
    wait_readable();
  else if (state_ == phase::parked)
    close();
}

void http_connection::parse(std::string_view bytes) {
  const http_server_config& config = worker_.server.config;
  if (!parser_) {
    parser_.emplace();
    // The header alone at first: what follows it may not be taken for fields.
    parser_->eager(false);
    parser_->header_limit(static_cast<std::uint32_t>(config.header_bytes_max));
    parser_->body_limit(config.body_bytes_max);
    header_checked_ = false;
    set_phase(phase::header, config.header_time_max);
  }
  for (bool wants_more = false; !wants_more;) {
    if (!put(bytes, wants_more))
      return;
    if (parser_->is_header_done() && !header_checked_) {
      header_checked_ = true;
      if (!check_header())
        return;
      parser_->eager(true);
      wants_more = bytes.empty();
    }
    if (parser_->is_done()) {
      unread_ = std::string(bytes);
      hand_over();
      return;
    }
  }
  // What the parser does not take is the rest of one line, or of what comes
  // behind the body: neither has a limit of its own.
  if (bytes.size() > config.header_bytes_max) {
    refuse(431, "header_too_large",
           "A line of the request has more than "
             + std::to_string(config.header_bytes_max) + " bytes.");
    return;
  }
  unread_ = std::string(bytes);
  wait_readable();
}

/// False: the request is refused.
bool http_connection::put(std::string_view& bytes, bool& wants_more) {
  error_code failure;
  std::size_t used = 0;
  try {
    used = parser_->put(net::buffer(bytes.data(), bytes.size()), failure);
  } catch (const std::exception&) {
    // Beast throws for a field of more than 65,535 bytes.
    refuse(431, "header_too_large", "A field of the request is too large.");
    return false;
  }
  bytes.remove_prefix(used);
  if (failure && failure != http::error::need_more) {
    refuse_parse(failure);
    return false;
  }
  wants_more = failure || bytes.empty() || used == 0;
  return true;
}

/// The limits that the parser does not know.
bool http_connection::check_header() {
  const http_server_config& config = worker_.server.config;
  const auto& message = parser_->get();
  if (message.target().size() > config.uri_bytes_max) {
    refuse(414, "uri_too_long",
           "The URI has more than " + std::to_string(config.uri_bytes_max)
             + " bytes.");
    return false;
  }
  std::size_t fields = 0;
  std::size_t hosts = 0;
  for (const auto& field : message) {
    ++fields;
    hosts += field.name() == http::field::host ? 1 : 0;
  }
  header_fields_ = fields;
  if (fields > config.header_fields_max) {
    refuse(431, "header_too_large",
           "The request has more than "
             + std::to_string(config.header_fields_max) + " header fields.");
    return false;
  }
  if (hosts > 1 || (hosts == 0 && message.version() >= 11)) {
    refuse(400, "bad_request", "The request needs exactly one Host header.");
    return false;
  }
  if (!has_plain_transfer_coding())
    return false;
  if (parser_->is_done())
    return true;
  set_phase(phase::body, config.idle_time_max);
  if (same_letters({message[http::field::expect].data(),
                    message[http::field::expect].size()},
                   "100-continue")) {
    error_code ignored; // A socket that takes no 25 bytes takes no answer.
    constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    if (tls_) {
      tls_->send(go_on);
      flush_wire();
    } else {
      socket_.write_some(net::buffer(go_on.data(), go_on.size()), ignored);
    }
  }
  return true;
}

/// A body whose end others would see elsewhere is how requests are smuggled:
/// of transfer codings only "chunked", once and alone, is taken.
/// @source RFC 9112, section 6.1.
bool http_connection::has_plain_transfer_coding() {
  std::size_t codings = 0;
  for (const auto& field : parser_->get()) {
    if (field.name() != http::field::transfer_encoding)
      continue;
    ++codings;
    if (codings > 1 || parser_->get().version() < 11
        || !same_letters({field.value().data(), field.value().size()},
                         "chunked")) {
      refuse(501, "unsupported",
             "Of transfer codings only \"chunked\" is taken, once and alone.");
      return false;
    }
  }
  return true;
}

void http_connection::refuse_parse(const error_code& failure) {
  const http_server_config& config = worker_.server.config;
  if (failure == http::error::header_limit) {
    // No target yet: it is the first line that does not end.
    if (parser_->get().target().empty())
      refuse(414, "uri_too_long",
             "The URI has more than " + std::to_string(config.uri_bytes_max)
               + " bytes.");
    else
      refuse(431, "header_too_large",
             "The header has more than "
               + std::to_string(config.header_bytes_max) + " bytes.");
    return;
  }
  if (failure == http::error::body_limit) {
    refuse(413, "payload_too_large",
           "The body has more than " + std::to_string(config.body_bytes_max)
             + " bytes.");
    return;
  }
  refuse(400, "bad_request", "This is not HTTP/1.1: " + failure.message());
}

void http_connection::hand_over() {
  http_server_state& server = worker_.server;
  auto message = parser_->release();
  parser_.reset();
  ++request_;
  keep_alive_ = message.keep_alive();
  http_1_0_ = message.version() < 11;
  head_ = message.method() == http::verb::head;
  set_phase(phase::handling);
  if (server.requests_open.fetch_add(1) >= server.config.requests_max) {
    server.requests_open.fetch_sub(1);
    if (server.refused)
      server.refused(503);
    write(error_response(503, "overloaded",
                         "More than "
                           + std::to_string(server.config.requests_max)
                           + " requests are under way; try again."));
    return;
  }
  counted_ = true;
  http_request request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  // Fields behind a body are not merged into the header: who took a key off
  // it on the way would not have seen them (RFC 9110, section 6.5.1).
  for (const auto& field : message) {
    if (request.headers.size() == header_fields_)
      break;
    request.headers.push_back(
      {std::string(field.name_string()), std::string(field.value())});
  }
  request.body = std::move(message.body());
  request.peer = peer_;
  const http_responder responder(
    std::make_shared<exchange>(worker_.gate, weak_from_this(), request_));
  try {
    server.handler(std::move(request), responder);
  } catch (const std::exception& failure) {
    persistence::log(
      persistence::log_room::client, persistence::log_level::error,
      std::string("a request ended in an exception: ") + failure.what());
    responder.respond(
      error_response(500, "internal", "This is a defect of Perdura."));
  }
}

// --- Waiting ----------------------------------------------------------------

void http_connection::park(std::uint64_t request,
                           std::chrono::milliseconds time_out,
                           std::function<void(park_end)> over) {
  if (request != request_ || state_ != phase::handling)
    return;
  leave_count();
  set_phase(phase::parked);
  over_ = std::move(over);
  if (worker_.stopping) {
    end_park(park_end::stopping);
    return;
  }
  park_timer_.emplace(worker_.context, time_out);
  park_timer_->async_wait(
    [self = shared_from_this(), request](const error_code& failure) {
      if (!failure && request == self->request_)
        self->end_park(park_end::time_over);
    });
  wait_readable();
}

void http_connection::end_park(park_end why) {
  if (!over_)
    return;
  const auto over = std::exchange(over_, nullptr);
  if (state_ == phase::parked)
    set_phase(phase::handling);
  park_timer_.reset();
  over(why);
}

void http_connection::leave_count() {
  if (std::exchange(counted_, false))
    worker_.server.requests_open.fetch_sub(1);
}

// --- Answering --------------------------------------------------------------

void http_connection::send(std::uint64_t request, http_response response) {
  if (request != request_
      || (state_ != phase::handling && state_ != phase::parked))
    return;
  leave_count();
  over_ = nullptr;
  park_timer_.reset();
  write(std::move(response));
}

void http_connection::refuse(int status, const char* code,
                             std::string sentence) {
  if (worker_.server.refused)
    worker_.server.refused(status);
  keep_alive_ = false;
  refused_ = true;
  head_ = false;
  write(error_response(status, code, sentence));
}

void http_connection::write(http_response response) {
  // A second more for each 256 KiB: who reads slowly may, who does not, not.
  set_phase(phase::writing,
            worker_.server.config.idle_time_max
              + std::chrono::seconds(response.body.size() >> 18U));
  keep_alive_ = keep_alive_ && !worker_.stopping;
  const auto reason
    = http::obsolete_reason(static_cast<http::status>(response.status));
  head_text_ = "HTTP/1.1 " + std::to_string(response.status) + ' ';
  head_text_.append(reason.data(), reason.size());
  head_text_ += "\r\n";
  add_header(head_text_, "Date", worker_.date());
  if (!response.body.empty())
    add_header(head_text_, "Content-Type", response.content_type);
  add_header(head_text_, "Content-Length",
             std::to_string(response.body.size()));
  for (const http_header& each : response.headers)
    add_header(head_text_, each.name, each.value);
  if (!keep_alive_)
    add_header(head_text_, "Connection", "close");
  else if (http_1_0_)
    add_header(head_text_, "Connection", "keep-alive");
  head_text_ += "\r\n";
  body_text_ = head_ ? std::string() : std::move(response.body);
  if (tls_) {
    write_encrypted();
    return;
  }
  const std::array<net::const_buffer, 2> parts{net::buffer(head_text_),
                                               net::buffer(body_text_)};
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
  head_text_ = {};
  body_text_ = {};
  if (!whole || (!keep_alive_ && !refused_)
      || (worker_.stopping && !refused_)) {
    close();
    return;
  }
  if (refused_) {
    // A reset would take the answer away from one who is still sending.
    error_code ignored;
    socket_.shutdown(net_socket::shutdown_send, ignored);
    unread_ = {};
    set_phase(phase::draining, std::chrono::seconds(2));
    wait_readable();
    return;
  }
  set_phase(phase::idle, config.idle_time_max);
  if (unread_.empty()) {
    wait_readable();
    return;
  }
  const std::string next = std::exchange(unread_, {});
  parse(next);
}

// --- The end ----------------------------------------------------------------

void http_connection::check_deadline(steady_time now) {
  if (now < deadline_)
    return;
  switch (state_) {
  case phase::header:
    refuse(408, "timed_out", "The header did not come in time.");
    return;
  case phase::body:
    refuse(408, "timed_out", "The body did not come in time.");
    return;
  default:
    close();
    return;
  }
}

void http_connection::drain() {
  if (state_ == phase::parked)
    end_park(park_end::stopping);
  else if (state_ != phase::handling && state_ != phase::writing)
    close();
}

void http_connection::close() {
  if (state_ == phase::closed)
    return;
  const auto self = shared_from_this();
  end_park(park_end::caller_gone);
  leave_count();
  set_phase(phase::closed);
  error_code ignored;
  if (tls_ && wire_.empty()) {
    tls_->close();
    const std::string goodbye = tls_->take_wire();
    if (!goodbye.empty())
      socket_.write_some(net::buffer(goodbye), ignored);
  }
  socket_.shutdown(net_socket::shutdown_both, ignored);
  socket_.close(ignored);
  park_timer_.reset();
  parser_.reset();
  worker_.forget(self);
}

} // namespace perdura::client
