#include "client/http/http_client.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include <charconv>
#include <utility> // Asio 1.74 forgets it.

namespace perdura::client {

namespace beast = boost::beast;
namespace net = boost::asio;
using boost::system::error_code;
using persistence::errc;
using persistence::error;
using persistence::result;

namespace {

// Histories are the largest answers: 64 MiB of payloads, and what is around.
constexpr std::uint64_t answer_bytes_max = std::uint64_t{1} << 30;

/// One connection; each step blocks until it is done or time is over.
class conversation {
public:
  explicit conversation(std::chrono::milliseconds time_out)
    : time_out_(time_out) {}

  error_code ask(const http_url& url, const http_request& request,
                 http_reply& reply) {
    error_code failure;
    net::ip::tcp::resolver resolver(context_);
    const auto places
      = resolver.resolve(url.host, std::to_string(url.port), failure);
    if (failure)
      return failure;
    stream_.expires_after(
      std::min<std::chrono::milliseconds>(time_out_, std::chrono::seconds(10)));
    stream_.async_connect(places,
                          [&](error_code ec, const auto&) { failure = ec; });
    run();
    if (failure)
      return failure;
    auto message = to_message(url, request);
    stream_.expires_after(time_out_);
    beast::http::async_write(stream_, message,
                             [&](error_code ec, std::size_t) { failure = ec; });
    run();
    // One who refuses may answer and close before it has read all: look.
    const error_code unsent = failure;
    beast::http::response_parser<beast::http::string_body> parser;
    parser.body_limit(answer_bytes_max);
    beast::http::async_read(stream_, buffer_, parser,
                            [&](error_code ec, std::size_t) { failure = ec; });
    run();
    if (failure)
      return unsent ? unsent : failure;
    auto answer = parser.release();
    reply.status = static_cast<int>(answer.result_int());
    for (const auto& field : answer)
      reply.headers.push_back(
        {std::string(field.name_string()), std::string(field.value())});
    reply.body = std::move(answer.body());
    return {};
  }

private:
  static beast::http::request<beast::http::string_body>
  to_message(const http_url& url, const http_request& request) {
    beast::http::request<beast::http::string_body> message;
    message.version(11);
    message.method_string(request.method);
    message.target(url.path + request.target);
    message.set(beast::http::field::host, url.authority());
    message.set(beast::http::field::connection, "close");
    for (const http_header& each : request.headers)
      message.set(each.name, each.value);
    message.body() = request.body;
    message.prepare_payload();
    return message;
  }

  void run() {
    context_.restart();
    context_.run();
  }

  std::chrono::milliseconds time_out_;
  net::io_context context_{1};
  beast::tcp_stream stream_{context_};
  beast::flat_buffer buffer_;
};

} // namespace

std::string http_url::authority() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return (is_v6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

std::string_view http_reply::header(std::string_view name) const {
  for (const http_header& each : headers)
    if (same_letters(each.name, name))
      return each.value;
  return {};
}

result<http_url> parse_url(std::string_view text) {
  const auto bad = [&](const char* why) {
    return error{errc::invalid_argument, "\"" + std::string(text)
                                           + "\" is not a node's URL, such as "
                                             "http://127.0.0.1:7071: "
                                           + why + "."};
  };
  std::string_view rest = text;
  if (const auto scheme = rest.find("://"); scheme != rest.npos) {
    if (same_letters(rest.substr(0, scheme), "https"))
      return error{errc::unsupported, "https is not supported yet."};
    if (!same_letters(rest.substr(0, scheme), "http"))
      return bad("it must begin with http://");
    rest.remove_prefix(scheme + 3);
  }
  http_url url;
  const std::size_t slash = rest.find('/');
  std::string_view authority = rest.substr(0, slash);
  if (slash != rest.npos)
    url.path = rest.substr(slash);
  while (url.path.ends_with('/'))
    url.path.pop_back();
  for (const char c : rest)
    if (c <= 0x20 || c == 0x7F || c == '?' || c == '#' || c == '@')
      return bad("a character does not belong there");
  std::string_view port;
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end == authority.npos)
      return bad("the ] is missing");
    url.host = authority.substr(1, end - 1);
    authority.remove_prefix(end + 1);
    if (authority.starts_with(':'))
      port = authority.substr(1);
  } else {
    const std::size_t colon = authority.find(':');
    url.host = authority.substr(0, colon);
    if (colon != authority.npos)
      port = authority.substr(colon + 1);
  }
  if (url.host.empty())
    return bad("the host is missing");
  if (!port.empty()) {
    const char* end = port.data() + port.size();
    const auto [stop, failure] = std::from_chars(port.data(), end, url.port);
    if (failure != std::errc() || stop != end || url.port == 0)
      return bad("the port must be a number from 1 to 65535");
  }
  return url;
}

result<http_reply> http_ask(const http_url& url, const http_request& request,
                            std::chrono::milliseconds time_out) {
  http_reply reply;
  const error_code failure = conversation(time_out).ask(url, request, reply);
  if (!failure)
    return reply;
  const std::string where = "http://" + url.authority();
  if (failure == beast::error::timeout)
    return error{errc::timed_out, "No answer from " + where + " in time."};
  if (failure == net::error::connection_refused)
    return error{errc::unavailable,
                 "No node listens at " + where
                   + ". Start one with `perdura dev`, or say where it is with "
                     "--url or PERDURA_URL."};
  return error{errc::unavailable, "The node at " + where + " cannot be asked: "
                                    + failure.message() + "."};
}

} // namespace perdura::client
