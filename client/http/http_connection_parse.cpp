// SPDX-License-Identifier: Apache-2.0
// How a connection parses requests and refuses those that break a limit or a
// rule of HTTP/1.1.
#include "client/http/http_connection.hpp"
#include "persistence/process/logging.hpp"
#include "persistence/records/text.hpp"
#include <perdura/persistence/records/time_arithmetic.hpp>

#include <boost/beast/http/error.hpp>

#include <algorithm>
#include <exception>

namespace perdura::client {

namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

/// Bytes per second that the body of a request must have after the first idle
/// time. A slower caller could hold a connection for ever.
constexpr std::size_t body_rate_min = 1024;

} // namespace

/// Parses the bytes of the current request. When the request is complete, it
/// goes to the handler; the bytes after it are kept for the next request.
void http_connection::parse(std::string_view bytes) {
  const http_server_config& config = worker_.server.config;
  if (!input_.parser) {
    // Empty lines before a request are ignored. They do not begin a request: an
    // idle connection keeps the deadline that it has.
    // @source RFC 9112, section 2.2.
    while (bytes.starts_with("\r\n"))
      bytes.remove_prefix(2);
    if (bytes.empty() || bytes == "\r") {
      input_.unread = std::string(bytes);
      wait_readable();
      return;
    }
    input_.parser.emplace();
    // Parse the header alone first. With `eager`, the fields of a trailer
    // could be taken for header fields before the header has been checked.
    input_.parser->eager(false);
    input_.parser->header_limit(
      static_cast<std::uint32_t>(config.header_bytes_max));
    input_.parser->body_limit(config.body_bytes_max);
    input_.header_checked = false;
    set_phase(phase::header, config.header_time_max);
  }
  // Each pass feeds the remaining bytes to the parser. The loop ends when the
  // request is complete or refused, or when the parser needs bytes that have
  // not been received.
  for (bool wants_more = false; !wants_more;) {
    if (!feed_parser(bytes, wants_more) || !charge_body())
      return;
    if (state_ == phase::body)
      extend_body_time();
    // Checked as soon as the header is complete, so that the body of a refused
    // request need not be received.
    if (input_.parser->is_header_done() && !input_.header_checked) {
      input_.header_checked = true;
      if (!check_header())
        return;
      input_.parser->eager(true);
      wants_more = bytes.empty();
    }
    if (input_.parser->is_done()) {
      input_.unread = std::string(bytes);
      dispatch_request();
      return;
    }
  }
  // The parser does not consume an incomplete line of the header or of the
  // trailer, and has no limit for its size. So the limit is enforced here.
  if (bytes.size() > config.header_bytes_max) {
    refuse(431, "header_too_large",
           "A line of the request has more than "
             + std::to_string(config.header_bytes_max) + " bytes.");
    return;
  }
  input_.unread = std::string(bytes);
  wait_readable();
}

/// Feeds the parser and removes the parsed bytes from the front. Returns false
/// if the request was refused.
/// @param wants_more  Set if the parser needs further bytes.
bool http_connection::feed_parser(std::string_view& bytes, bool& wants_more) {
  error_code failure;
  std::size_t used = 0;
  try {
    used = input_.parser->put(net::buffer(bytes.data(), bytes.size()), failure);
  } catch (const std::exception&) {
    // Beast throws for a field of more than 65,535 bytes.
    refuse(431, "header_too_large", "A field of the request is too large.");
    return false;
  }
  bytes.remove_prefix(used);
  // `need_more` is not an error: the bytes end in the middle of a line.
  if (failure && failure != http::error::need_more) {
    refuse_parse(failure);
    return false;
  }
  wants_more = failure || bytes.empty() || used == 0;
  return true;
}

/// Enforces the limits and rules that the parser does not know. Returns false
/// if the request was refused.
bool http_connection::check_header() {
  const http_server_config& config = worker_.server.config;
  const auto& message = input_.parser->get();
  if (message.target().size() > config.uri_bytes_max) {
    refuse(414, "uri_too_long",
           "The URI has more than " + std::to_string(config.uri_bytes_max)
             + " bytes.");
    return false;
  }
  // Beast has no limit for the number of fields; each field costs an
  // allocation.
  std::size_t fields = 0;
  std::size_t hosts = 0;
  for (const auto& field : message) {
    ++fields;
    hosts += field.name() == http::field::host ? 1 : 0;
  }
  input_.header_fields = fields;
  if (fields > config.header_fields_max) {
    refuse(431, "header_too_large",
           "The request has more than "
             + std::to_string(config.header_fields_max) + " header fields.");
    return false;
  }
  // Two Host headers could be read differently by a proxy and by this server.
  // @source RFC 9112, section 3.2.
  if (hosts > 1 || (hosts == 0 && message.version() >= 11)) {
    refuse(400, "bad_request", "The request needs exactly one Host header.");
    return false;
  }
  if (!has_plain_transfer_coding() || !has_plain_content_coding())
    return false;
  if (input_.parser->is_done())
    return true;
  if (!admit_body())
    return false;
  // A new deadline: the body may take longer than the header.
  set_phase(phase::body, config.idle_time_max);
  input_.body_began = since_;
  // @source RFC 9110, section 10.1.1: HTTP/1.0 has no interim response.
  if (message.version() >= 11
      && persistence::equal_ignoring_case({message[http::field::expect].data(),
                                           message[http::field::expect].size()},
                                          "100-continue")) {
    // If the socket does not accept these 25 bytes, it will not accept the
    // response either, and the write of the response reports the error.
    error_code ignored;
    constexpr std::string_view interim = "HTTP/1.1 100 Continue\r\n\r\n";
    if (tls_) {
      tls_->send(interim);
      send_encrypted();
    } else {
      socket_.write_some(net::buffer(interim.data(), interim.size()), ignored);
    }
  }
  return true;
}

/// Checks whether the caller may send its request, before the body is read.
/// Returns false if the request was refused.
bool http_connection::admit_body() {
  http_server_state& server = worker_.server;
  std::optional<http_response> refusal;
  try {
    if (server.admit)
      refusal = server.admit(request_head());
  } catch (const std::exception& failure) {
    persistence::log(persistence::log_channel::client,
                     persistence::log_level::error,
                     std::string("the check of a request threw an exception: ")
                       + failure.what());
    refuse(500, "internal", "This is a defect of Perdura.");
    return false;
  }
  if (refusal) {
    refuse_with(std::move(*refusal));
    return false;
  }
  if (!worker_.is_above_limit(waiting_kind::body))
    return true;
  refuse(503, "overloaded",
         "More than " + std::to_string(server.config.bodies_pending_max)
           + " requests are being received (limits.bodies_pending_max); try "
             "again.");
  return false;
}

/// Counts the memory of the body. Returns false if the budget has no space for
/// it and the request was refused.
bool http_connection::charge_body() {
  const std::size_t most = worker_.server.config.buffered_bytes_max;
  if (bytes_.body.set(input_.parser->get().body().capacity(), most))
    return true;
  refuse(503, "overloaded",
         "The bodies and answers in memory use up limits.buffered_bytes_max ("
           + std::to_string(most) + " bytes); try again.");
  return false;
}

/// The caller has sent a part of the body: it may be silent for the idle time
/// again, as long as it keeps the minimum rate.
void http_connection::extend_body_time() {
  const persistence::duration idle = worker_.server.config.idle_time_max;
  const std::chrono::seconds allowed(input_.parser->get().body().size()
                                     / body_rate_min);
  const steady_time began = input_.body_began;
  set_phase(phase::body, idle);
  deadline_
    = std::min(deadline_, began + persistence::bounded_wait(idle) + allowed);
}

/// The only accepted transfer coding is "chunked", used once. With any other, a
/// proxy and this server could disagree about where the body ends, which allows
/// request smuggling. Returns false if the request was refused.
/// @source RFC 9112, sections 6.1 and 11.2.
bool http_connection::has_plain_transfer_coding() {
  std::size_t codings = 0;
  for (const auto& field : input_.parser->get()) {
    if (field.name() != http::field::transfer_encoding)
      continue;
    ++codings;
    if (codings > 1 || input_.parser->get().version() < 11
        || !persistence::equal_ignoring_case(
          {field.value().data(), field.value().size()}, "chunked")) {
      refuse(501, "unsupported",
             "The only transfer coding that is supported is \"chunked\", used "
             "once and alone.");
      return false;
    }
  }
  return true;
}

/// A body that is compressed would be stored as if it were JSON. Returns false
/// if the request was refused.
/// @source RFC 9110, sections 8.4 and 15.5.16.
bool http_connection::has_plain_content_coding() {
  for (const auto& field : input_.parser->get()) {
    if (field.name() != http::field::content_encoding
        || persistence::equal_ignoring_case(
          {field.value().data(), field.value().size()}, "identity"))
      continue;
    refuse(415, "unsupported",
           "Content-Encoding is not supported; send the body without it.",
           {{"Accept-Encoding", "identity"}});
    return false;
  }
  return true;
}

/// Sends the response to a request that is not read any further, and closes
/// afterwards.
void http_connection::refuse_with(http_response response) {
  request_.keep_alive = false;
  request_.refused = true;
  // The method may not have been parsed yet; then the response gets a body.
  request_.head = input_.parser && input_.parser->is_header_done()
                  && input_.parser->get().method() == http::verb::head;
  // Frees what has been received of the body.
  input_.parser.reset();
  bytes_.body.release();
  write(std::move(response));
}

void http_connection::refuse_parse(const error_code& failure) {
  const http_server_config& config = worker_.server.config;
  if (failure == http::error::header_limit) {
    // If no target has been parsed, the request line itself is too long.
    if (input_.parser->get().target().empty())
      refuse(414, "uri_too_long",
             "The URI has more than " + std::to_string(config.uri_bytes_max)
               + " bytes.");
    else
      refuse(431, "header_too_large",
             "The header has more than "
               + std::to_string(config.header_bytes_max) + " bytes.");
    return;
  }
  // The parser reports `body_limit` as soon as Content-Length or the chunks
  // received so far exceed the limit.
  if (failure == http::error::body_limit) {
    refuse(413, "payload_too_large",
           "The body has more than " + std::to_string(config.body_bytes_max)
             + " bytes.");
    return;
  }
  refuse(400, "bad_request", "This is not HTTP/1.1: " + failure.message());
}

} // namespace perdura::client
