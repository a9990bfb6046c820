// SPDX-License-Identifier: Apache-2.0
#include "client/cli/node_connection.hpp"

#include "client/cli/json_view.hpp"
#include "client/http/access_keys.hpp"
#include "client/http/bounded_read.hpp"
#include "cluster/node/management_urls.hpp"
#include "persistence/records/text.hpp"
#include <perdura/persistence/records/time_arithmetic.hpp>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <sstream>

namespace perdura::client {

using cluster::encode_url_part;
using persistence::errc;
using persistence::error;
using persistence::result;

namespace {

// The path of the management API.
// @source Durable Functions, HTTP API reference.
constexpr const char* prefix = "/runtime/webhooks/durabletask";
// How long one request waits for the end of an instance.
constexpr auto wait_step = std::chrono::seconds(30);

/// The error code for an HTTP status, for bodies without a code.
errc code_of(int status) {
  switch (status) {
  case 404:
    return errc::not_found;
  case 409:
    return errc::already_exists;
  case 410:
    return errc::already_finished;
  case 412: // only a rewind and a purge have this status
    return errc::not_failed;
  case 408:
  case 504:
    return errc::timed_out;
  case 503:
    return errc::unavailable;
  case 507:
    return errc::storage_full;
  default:
    return status >= 500 ? errc::internal : errc::invalid_argument;
  }
}

/// The error code with this name; nothing if there is no such code.
std::optional<errc> code_named(std::string_view name) {
  // The numbers of all error codes are below this one.
  constexpr std::uint16_t codes_end = 100;
  for (std::uint16_t value = 1; value < codes_end; ++value)
    if (to_string(static_cast<errc>(value)) == name)
      return static_cast<errc>(value);
  return std::nullopt;
}

/// The error for a response with a status other than 2xx. If the body has a
/// message, the error has that message.
error error_of(const http_reply& reply, bool with_key) {
  if (reply.status == 401)
    return {errc::unauthorized,
            with_key ? "The node does not know the access key of --key-file or "
                       "PERDURA_KEY."
                     : "The node requires an access key: use --key-file FILE "
                       "or PERDURA_KEY."};
  // "Code" in the body is more precise than the HTTP status: for example, the
  // restart of an instance that does not exist has status 400.
  const errc code = code_named(json_unquoted(json_member(reply.body, "Code")))
                      .value_or(code_of(reply.status));
  // Some responses have an object with a message as their body, others only a
  // JSON string, and others no body.
  std::string sentence = json_unquoted(json_member(reply.body, "Message"));
  if (sentence.empty() && reply.body.starts_with('"'))
    sentence = json_unquoted(reply.body);
  if (sentence.empty() && reply.status == 403)
    sentence = "The access key does not permit this request.";
  if (sentence.empty() && reply.status == 404)
    sentence = "There is no such instance.";
  if (sentence.empty() && reply.status == 410)
    sentence = "The instance has ended already.";
  if (sentence.empty())
    sentence = "The node answered with HTTP status "
               + std::to_string(reply.status) + ".";
  return {code, sentence};
}

/// True if an HTTP header can carry the text: printable ASCII without blanks.
bool is_header_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), persistence::is_graphic);
}

} // namespace

std::string to_query(const query_parameters& parameters) {
  std::string out;
  for (const auto& [name, value] : parameters)
    if (!value.empty())
      out += (out.empty() ? "?" : "&") + name + '=' + encode_url_part(value);
  return out;
}

std::string instance_path(const std::string& id) {
  return "/instances/" + encode_url_part(id);
}

result<std::string> read_key(const std::string& key_file) {
  std::string key;
  std::string source = "PERDURA_KEY";
  if (key_file.empty()) {
    const char* given = std::getenv("PERDURA_KEY");
    key = given == nullptr ? "" : given;
  } else {
    source = '"' + key_file + '"';
    constexpr std::size_t keys_bytes_max = std::size_t{1024} * 1024;
    auto text = read_file_bounded(key_file, keys_bytes_max);
    if (!text)
      return text.error();
    std::istringstream file(std::move(*text));
    // parse_key_line returns an empty key for blank lines and comments.
    for (std::string line; key.empty() && std::getline(file, line);)
      key = parse_key_line(line).key;
    if (key.empty())
      return error{errc::invalid_argument,
                   "There is no access key in " + source + "."};
  }
  if (!is_header_value(key))
    return error{errc::invalid_argument,
                 "The access key in " + source
                   + " holds a blank or another character that cannot be "
                     "sent."};
  return key;
}

result<http_reply> node_connection::call_api(std::string_view method,
                                             const std::string& path,
                                             std::string body,
                                             std::vector<http_header> headers) {
  http_request request;
  request.method = method;
  request.target = prefix + path;
  request.headers = std::move(headers);
  if (!body.empty())
    request.headers.push_back({"Content-Type", "application/json"});
  request.body = std::move(body);
  if (!access_.request_id.empty() && method != "GET")
    request.headers.push_back({"Idempotency-Key", access_.request_id});
  return send(std::move(request));
}

result<http_reply> node_connection::call_site(std::string_view method,
                                              const std::string& path) {
  http_request request;
  request.method = method;
  request.target = path;
  return send(std::move(request));
}

result<http_reply> node_connection::send(http_request request) {
  if (!access_.key.empty())
    request.headers.push_back({"x-functions-key", access_.key});
  auto reply
    = send_http_request(url_, request, access_.response_time_max, access_.http);
  if (reply && (reply->status < 200 || reply->status > 299))
    return error_of(*reply, !access_.key.empty());
  return reply;
}

result<std::string>
node_connection::status_of(const std::string& id,
                           const query_parameters& parameters) {
  auto reply = call_api("GET", instance_path(id) + to_query(parameters));
  if (reply)
    return std::move(reply->body);
  if (reply.code() == errc::not_found)
    return error{errc::not_found, "There is no instance \"" + id + "\"."};
  return reply.error();
}

result<std::string>
node_connection::wait_for_end(const std::string& id,
                              std::chrono::milliseconds time_out,
                              const query_parameters& parameters) {
  const auto end
    = std::chrono::steady_clock::now() + persistence::bounded_wait(time_out);
  while (true) {
    // The node responds when the instance has ended, or after `step` with
    // status 202. The remaining time is rounded up to whole seconds: with a
    // wait of 0 s the last requests would form a busy loop.
    const auto left = std::chrono::ceil<std::chrono::seconds>(
      end - std::chrono::steady_clock::now());
    const auto step
      = std::clamp(left, std::chrono::seconds(0),
                   std::chrono::duration_cast<std::chrono::seconds>(wait_step));
    query_parameters asked = parameters;
    asked.emplace_back("waitSeconds", std::to_string(step.count()));
    auto reply = call_api("GET", instance_path(id) + to_query(asked));
    if (!reply) {
      if (reply.code() == errc::not_found)
        return error{errc::not_found, "There is no instance \"" + id + "\"."};
      return reply.error();
    }
    if (reply->status != 202)
      return std::move(reply->body);
    if (std::chrono::steady_clock::now() >= end)
      return error{errc::timed_out,
                   "Instance \"" + id + "\" has not ended in time."};
  }
}

} // namespace perdura::client
