// SPDX-License-Identifier: Apache-2.0
#include "client/http/http_client.hpp"

#include "persistence/records/text.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>

#include <charconv>
#include <optional>
#include <utility> // Asio of Boost 1.74 uses this header without including it.

namespace perdura::client {

namespace beast = boost::beast;
namespace net = boost::asio;
using boost::system::error_code;
using persistence::errc;
using persistence::error;
using persistence::result;

namespace {

// The largest responses hold a history. The payloads of a history have up to
// 64 MiB, but the response is longer: it escapes the payloads and also contains
// the other members of the events.
constexpr std::uint64_t answer_bytes_max = std::uint64_t{1} << 30;

/// One connection, for one request. Each step blocks until it has finished or
/// the time-out has elapsed.
class client_connection {
public:
  client_connection(std::chrono::milliseconds time_out, net::ssl::context* tls)
    : time_out_(time_out), stream_(context_) {
    if (tls != nullptr)
      secure_.emplace(stream_, *tls);
  }

  /// Sends the request and fills `reply`. Returns the first error, whose
  /// category shows which step has failed.
  error_code send(const http_url& url, const http_request& request,
                  http_reply& reply) {
    if (const error_code failure = connect(url))
      return failure;
    is_connected_ = true;
    stream_.expires_after(time_out_);
    return secure_ ? exchange(*secure_, url, request, reply)
                   : exchange(stream_, url, request, reply);
  }

  /// True if `send` has begun to send the request: the server may have received
  /// it.
  bool has_sent() const {
    return is_connected_;
  }

private:
  /// Resolves the host, connects to the first address that accepts, and makes
  /// the TLS handshake.
  error_code connect(const http_url& url) {
    error_code failure;
    net::ip::tcp::resolver resolver(context_);
    // `resolve` ignores `time_out_`; the resolver of the system has a time-out
    // of its own.
    const auto places
      = resolver.resolve(url.host, std::to_string(url.port), failure);
    if (failure)
      return failure;
    stream_.expires_after(
      std::min<std::chrono::milliseconds>(time_out_, std::chrono::seconds(10)));
    // All operations are asynchronous, because only asynchronous ones obey
    // `expires_after`. `run` blocks until the operation has ended.
    stream_.async_connect(places,
                          [&](error_code ec, const auto&) { failure = ec; });
    run();
    if (failure || !secure_)
      return failure;
    // Server name indication takes names only, not addresses (RFC 6066).
    error_code not_an_address;
    net::ip::make_address(url.host, not_an_address);
    if (not_an_address)
      SSL_set_tlsext_host_name(secure_->native_handle(), url.host.c_str());
    // Refuses a certificate that is valid for another host.
    secure_->set_verify_callback(net::ssl::host_name_verification(url.host),
                                 failure);
    if (failure)
      return failure;
    secure_->async_handshake(net::ssl::stream_base::client,
                             [&](error_code ec) { failure = ec; });
    run();
    return failure;
  }

  /// Sends the request and receives the response over TCP or TLS.
  template <class Stream>
  error_code exchange(Stream& stream, const http_url& url,
                      const http_request& request, http_reply& reply) {
    error_code failure;
    auto message = to_message(url, request);
    beast::http::async_write(stream, message,
                             [&](error_code ec, std::size_t) { failure = ec; });
    run();
    // A server that refuses a request may respond and close before it has read
    // the whole request. So the response is read even if the write failed.
    const error_code unsent = failure;
    beast::http::response_parser<beast::http::string_body> parser;
    // The default limit of Beast, 8 MiB, is smaller than a long history.
    parser.body_limit(answer_bytes_max);
    beast::http::async_read(stream, buffer_, parser,
                            [&](error_code ec, std::size_t) { failure = ec; });
    run();
    if (failure)
      // If the write failed as well, return its error: the failed write is the
      // reason why no response came.
      return unsent ? unsent : failure;
    auto answer = parser.release();
    reply.status = static_cast<int>(answer.result_int());
    for (const auto& field : answer)
      reply.headers.push_back(
        {std::string(field.name_string()), std::string(field.value())});
    reply.body = std::move(answer.body());
    return {};
  }

  /// The request in the form of Beast, with the headers that HTTP/1.1 requires.
  /// The headers of `request` override these.
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
    // Sets Content-Length.
    message.prepare_payload();
    return message;
  }

  /// Runs the operation that was started, until it has ended.
  void run() {
    context_.restart();
    context_.run();
  }

  std::chrono::milliseconds time_out_;
  bool is_connected_ = false;
  net::io_context context_{1};
  beast::tcp_stream stream_;
  /// Set for https. Refers to `stream_`, which must be declared before it.
  std::optional<beast::ssl_stream<beast::tcp_stream&>> secure_;
  beast::flat_buffer buffer_;
};

/// Loads the certificate authorities of the file, or those of the system if no
/// file is named.
error_code load_authorities(net::ssl::context& tls,
                            const std::string& ca_file) {
  error_code failure;
  tls.set_verify_mode(net::ssl::verify_peer, failure);
  if (!failure && ca_file.empty())
    tls.set_default_verify_paths(failure);
  else if (!failure)
    tls.load_verify_file(ca_file, failure);
  // The same minimum version as that of the server.
  SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
  return failure;
}

} // namespace

std::string http_url::authority() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return (is_v6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

std::string_view http_reply::header(std::string_view name) const {
  for (const http_header& each : headers)
    if (persistence::equal_ignoring_case(each.name, name))
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
  http_url url;
  std::string_view rest = text;
  // Without a scheme the text begins with the host.
  if (const auto scheme = rest.find("://"); scheme != rest.npos) {
    url.is_tls
      = persistence::equal_ignoring_case(rest.substr(0, scheme), "https");
    if (!url.is_tls
        && !persistence::equal_ignoring_case(rest.substr(0, scheme), "http"))
      return bad("it must begin with http:// or https://");
    if (url.is_tls)
      url.port = 443;
    rest.remove_prefix(scheme + 3);
  }
  const std::size_t slash = rest.find('/');
  std::string_view authority = rest.substr(0, slash);
  if (slash != rest.npos)
    url.path = rest.substr(slash);
  while (url.path.ends_with('/'))
    url.path.pop_back();
  // Refuses blanks and control characters, which would change the request, and
  // userinfo, query and fragment, which are not part of a node's URL.
  for (const char c : rest)
    if (c <= 0x20 || c == 0x7F || c == '?' || c == '#' || c == '@')
      return bad("it holds a character that is not allowed");
  std::string_view port;
  // An IPv6 address contains colons, so it stands in brackets.
  // @source RFC 3986, section 3.2.2.
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
    // The type of `url.port` limits the number to 65535.
    const auto [stop, failure] = std::from_chars(port.data(), end, url.port);
    if (failure != std::errc() || stop != end || url.port == 0)
      return bad("the port must be a number from 1 to 65535");
  }
  return url;
}

result<http_reply> send_http_request(const http_url& url,
                                     const http_request& request,
                                     std::chrono::milliseconds time_out,
                                     const http_client_options& options) {
  std::optional<net::ssl::context> tls;
  if (url.is_tls) {
    tls.emplace(net::ssl::context::tls_client);
    if (load_authorities(*tls, options.ca_file))
      return error{errc::invalid_argument,
                   "The file of certificate authorities \"" + options.ca_file
                     + "\" cannot be read; --ca needs a PEM file."};
  }
  http_reply reply;
  client_connection connection(time_out, tls ? &*tls : nullptr);
  const error_code failure = connection.send(url, request, reply);
  if (!failure)
    return reply;
  const std::string where
    = (url.is_tls ? "https://" : "http://") + url.authority();
  // A frequent error gets a sentence of its own, with a remedy if there is one.
  // The sentence for all other errors contains the message of the system.
  if (failure == beast::error::timeout)
    return error{errc::timed_out,
                 "The node at " + where + " did not answer in time."};
  if (connection.has_sent() && request.method != "GET")
    return error{errc::unknown_outcome,
                 "The node at " + where
                   + " has not answered: " + failure.message()
                   + ". The request may have been carried out."};
  if (failure == net::error::connection_refused)
    return error{errc::unavailable,
                 "No node listens at " + where
                   + ". Start a node with `perdura dev`, or set the address of "
                     "a running node with --url or PERDURA_URL."};
  if (failure.category() == net::error::get_ssl_category())
    return error{errc::unavailable,
                 "The certificate of the node at " + where
                   + " is not trusted: " + failure.message()
                   + ". Set the certificate authority with --ca FILE."};
  return error{errc::unavailable, "The node at " + where
                                    + " cannot be reached: " + failure.message()
                                    + "."};
}

} // namespace perdura::client
