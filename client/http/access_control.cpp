// SPDX-License-Identifier: Apache-2.0
#include "client/http/access_control.hpp"

#include "client/http/ip_address.hpp"
#include "client/http/json.hpp"
#include "persistence/records/text.hpp"

#include <openssl/evp.h>

#include <algorithm>

namespace perdura::client {

using persistence::errc;

namespace {

/// Whether `text` is empty or consists of a colon and any number of digits.
bool is_port(std::string_view text) {
  if (text.empty())
    return true;
  return text.front() == ':'
         && std::all_of(text.begin() + 1, text.end(),
                        [](char c) { return c >= '0' && c <= '9'; });
}

/// The host of an authority, without port and brackets. Empty if the authority
/// is not well formed.
std::string_view host_of(std::string_view authority) {
  // Without this check, userinfo such as "127.0.0.1@evil" could be taken for a
  // host.
  if (!is_plain_authority(authority))
    return {};
  const std::size_t end = authority.starts_with('[')
                            ? authority.find(']') + 1 // 0 without a `]`.
                            : std::min(authority.find(':'), authority.size());
  if (end == 0 || !is_port(authority.substr(end)))
    return {};
  return authority.starts_with('[') ? authority.substr(1, end - 2)
                                    : authority.substr(0, end);
}

constexpr const char* foreign_page_text
  = "Requests from web pages of another origin are refused.";

/// True if the value of Sec-Fetch-Site says that a web page of another origin
/// has made the request. "none" stands for the user, e.g. a typed address; a
/// client that is no browser sends no such header. A value that is not known is
/// that of another page.
bool is_foreign_page(std::string_view site) {
  return !site.empty() && !persistence::equal_ignoring_case(site, "same-origin")
         && !persistence::equal_ignoring_case(site, "none");
}

/// The part "host:port" of an Origin header such as "https://host:port". Other
/// values, such as "null", are returned unchanged.
std::string_view authority_of(std::string_view origin) {
  const std::size_t scheme = origin.find("://");
  // "null" is the origin of sandboxed pages and of files; it equals no host.
  return scheme == origin.npos ? origin : origin.substr(scheme + 3);
}

/// The password in "Basic BASE64(user:password)"; empty if the text is not
/// well formed. No value if the header has another scheme.
std::optional<std::string> basic_password(std::string_view header) {
  constexpr std::string_view scheme = "Basic ";
  if (header.size() < scheme.size()
      || !persistence::equal_ignoring_case(header.substr(0, scheme.size()),
                                           scheme))
    return std::nullopt;
  std::string_view text = header.substr(scheme.size());
  // BASE64 comes in groups of four characters. 1,024 characters are enough for
  // the longest key. The size is checked before decoding, so that the caller
  // cannot choose the buffer size.
  if (text.empty() || text.size() > 1024 || text.size() % 4 != 0)
    return std::string();
  std::string bytes(text.size() / 4 * 3, '\0');
  const int size
    = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                      reinterpret_cast<const unsigned char*>(text.data()),
                      static_cast<int>(text.size()));
  // The text contains a character that BASE64 does not have.
  if (size < 0)
    return std::string();
  // One or two `=` at the end stand for missing bytes.
  const std::size_t padding
    = text.ends_with("==") ? 2 : (text.ends_with('=') ? 1 : 0);
  bytes.resize(bytes.size() - padding);
  // The user name ends at the first colon; the password may contain others.
  // @source RFC 7617, section 2.
  const std::size_t colon = bytes.find(':');
  return colon == bytes.npos ? std::string() : bytes.substr(colon + 1);
}

/// The key or token of a request; empty if there is none, or if the parameter
/// `code` is repeated.
std::string key_of(const http_request& request, const request_target& target) {
  if (const std::string_view key = request.header("x-functions-key");
      !key.empty())
    return std::string(key);
  if (auto key = basic_password(request.header("Authorization")))
    return std::move(*key);
  const auto is_code = [](const auto& parameter) {
    return persistence::equal_ignoring_case(parameter.first, "code");
  };
  // A repeated parameter is ambiguous: a proxy might check one value and this
  // server another.
  const auto code
    = std::find_if(target.query.begin(), target.query.end(), is_code);
  if (code == target.query.end()
      || std::find_if(code + 1, target.query.end(), is_code)
           != target.query.end())
    return {};
  return code->second;
}

/// Whether a part of a target holds "code=". Letters and the equals sign may be
/// percent-encoded, and the name may follow other text.
bool holds_code(std::string_view part) {
  const std::string text = decode_parameter(part);
  constexpr std::string_view name = "code=";
  for (std::size_t at = 0; at + name.size() <= text.size(); ++at)
    if (persistence::equal_ignoring_case(
          std::string_view(text).substr(at, name.size()), name)
        && (at == 0 || !persistence::is_letter_or_digit(text[at - 1])))
      return true;
  return false;
}

http_response forbidden(std::string sentence) {
  return to_response({errc::forbidden, std::move(sentence)});
}

} // namespace

bool is_plain_authority(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return persistence::is_letter_or_digit(c) || c == '.' || c == ':'
           || c == '-' || c == '_' || c == '[' || c == ']';
  });
}

bool access_control::is_own_host(std::string_view authority) const {
  const std::string host(host_of(authority));
  if (host.empty())
    return false;
  if (is_loopback(host)
      || persistence::equal_ignoring_case(host, config_.bind_address))
    return true;
  // If the server is bound to all addresses, any numeric address is accepted as
  // host. DNS rebinding remains impossible: it needs a host name, which the
  // attacker directs to this machine.
  if (is_any_address(config_.bind_address) && is_address(host))
    return true;
  return std::any_of(config_.hosts.begin(), config_.hosts.end(),
                     [&](const std::string& name) {
                       return persistence::equal_ignoring_case(host, name);
                     });
}

std::optional<http_response> access_control::admit(const http_request& request,
                                                   const request_target& target,
                                                   const route_match& route,
                                                   persistence::timestamp now,
                                                   caller& requester) const {
  const access needed = route.entry->needed;
  if (needed == access::none) {
    // Health checks must work without a key and under any host name.
    requester = {access::none, {}, "anybody"};
    return std::nullopt;
  }
  const std::string_view host = request.header("Host");
  // Defends against DNS rebinding, in which a web page makes its own host name
  // resolve to this server. Only an HTTP/1.0 request may lack the Host header;
  // such a request has no name to check.
  if (!host.empty() && !is_own_host(host))
    return forbidden("The name in the Host header is not one of this node's "
                     "names; add it with http.hosts.");
  // Refuses requests that a page of another site makes in a user's browser.
  const std::string_view origin = request.header("Origin");
  if (!origin.empty()
      && (host.empty()
          || !persistence::equal_ignoring_case(authority_of(origin), host)))
    return forbidden(foreign_page_text);
  // A browser leaves out Origin in some cases, but the page cannot change
  // Sec-Fetch-Site. A read without Origin stays possible, e.g. a link on a
  // page: the page cannot see the answer.
  // @source W3C, Fetch Metadata Request Headers.
  if (origin.empty() && needed == access::manage
      && is_foreign_page(request.header("Sec-Fetch-Site")))
    return forbidden(foreign_page_text);
  if (config_.keys.empty()) {
    requester = {access::manage, {}, "anybody"};
    return std::nullopt;
  }
  const std::string key = key_of(request, target);
  if (!key.empty()) {
    // The text may be a key or a token, because a token is sent in place of a
    // key.
    const access right = config_.keys.access_of(key);
    if (right >= needed) {
      requester = {right, key, "key " + access_keys::name_of(key)};
      return std::nullopt;
    }
    if (right != access::none)
      return forbidden("This key may only read.");
    // Routes without an operation letter accept keys only.
    if (route.entry->operation != 0)
      if (const auto created_at = config_.keys.created_at_of(
            key, config_.hub_id, route.instance, route.entry->operation, now)) {
        requester = {needed, {}, "token", true, *created_at};
        return std::nullopt;
      }
  }
  // The same response for a missing and a wrong key, as in Durable Functions.
  // @source RFC 9110, section 15.5.2: the response names a scheme.
  return http_response{
    401, {}, {{"WWW-Authenticate", "Basic realm=\"perdura\""}}};
}

std::string redacted(std::string_view target) {
  std::string out;
  // A target in absolute form may hold a key as password.
  if (const std::size_t scheme = target.find("://");
      !target.starts_with('/') && scheme != target.npos)
    target.remove_prefix(std::min(target.find('/', scheme + 3), target.size()));
  // A caller may have put the key where it has no effect: into the path or the
  // fragment.
  constexpr std::string_view separators = "?&;#/";
  while (!target.empty()) {
    // The value may hold a separator.
    const bool is_code
      = holds_code(target.substr(0, target.find_first_of(separators)));
    const std::size_t end
      = is_code ? target.find('&') : target.find_first_of(separators);
    const std::string_view part = target.substr(0, end);
    // The name of the parameter is kept, so that the log shows that a key was
    // sent.
    out += is_code && !persistence::equal_ignoring_case(part, "code=")
             ? "code=..."
             : part;
    if (end == target.npos)
      break;
    out += target[end];
    target.remove_prefix(end + 1);
  }
  return out;
}

} // namespace perdura::client
