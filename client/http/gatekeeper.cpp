#include "client/http/gatekeeper.hpp"

#include "client/http/ip_address.hpp"
#include "client/http/json.hpp"

#include <openssl/evp.h>

#include <algorithm>

namespace perdura::client {

using persistence::errc;

namespace {

/// Nothing, or a colon and digits.
bool is_port(std::string_view text) {
  if (text.empty())
    return true;
  return text.front() == ':'
         && std::all_of(text.begin() + 1, text.end(),
                        [](char c) { return c >= '0' && c <= '9'; });
}

/// Host without port; empty if there is anything odd about it.
std::string_view host_of(std::string_view authority) {
  if (!is_plain_authority(authority))
    return {};
  const std::size_t end = authority.starts_with('[')
                            ? authority.find(']') + 1 // 0 if there is none.
                            : std::min(authority.find(':'), authority.size());
  if (end == 0 || !is_port(authority.substr(end)))
    return {};
  return authority.starts_with('[') ? authority.substr(1, end - 2)
                                    : authority.substr(0, end);
}

/// "https://host:port" without its scheme; "null" and the like as they are.
std::string_view authority_of(std::string_view origin) {
  const std::size_t scheme = origin.find("://");
  return scheme == origin.npos ? origin : origin.substr(scheme + 3);
}

/// What follows the colon in "Basic BASE64(user:password)".
std::optional<std::string> basic_password(std::string_view header) {
  constexpr std::string_view scheme = "Basic ";
  if (header.size() < scheme.size()
      || !same_letters(header.substr(0, scheme.size()), scheme))
    return std::nullopt;
  std::string_view text = header.substr(scheme.size());
  // Longer than any key with any user, and a whole number of quadruples.
  if (text.empty() || text.size() > 1024 || text.size() % 4 != 0)
    return std::string();
  std::string bytes(text.size() / 4 * 3, '\0');
  const int size
    = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                      reinterpret_cast<const unsigned char*>(text.data()),
                      static_cast<int>(text.size()));
  if (size < 0)
    return std::string();
  // One or two signs of equality stand for bytes that are not there.
  const std::size_t padding
    = text.ends_with("==") ? 2 : (text.ends_with('=') ? 1 : 0);
  bytes.resize(bytes.size() - padding);
  const std::size_t colon = bytes.find(':');
  return colon == bytes.npos ? std::string() : bytes.substr(colon + 1);
}

/// Empty: none, or one too many.
std::string key_of(const http_request& request, const request_target& target) {
  if (const std::string_view key = request.header("x-functions-key");
      !key.empty())
    return std::string(key);
  if (auto key = basic_password(request.header("Authorization")))
    return std::move(*key);
  const auto is_code = [](const auto& parameter) {
    return same_letters(parameter.first, "code");
  };
  const auto code
    = std::find_if(target.query.begin(), target.query.end(), is_code);
  if (code == target.query.end()
      || std::find_if(code + 1, target.query.end(), is_code)
           != target.query.end())
    return {};
  return code->second;
}

http_response forbidden(std::string sentence) {
  return to_response({errc::forbidden, std::move(sentence)});
}

} // namespace

bool is_plain_authority(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9') || c == '.' || c == ':' || c == '-'
           || c == '_' || c == '[' || c == ']';
  });
}

bool gatekeeper::is_own_host(std::string_view authority) const {
  const std::string host(host_of(authority));
  if (host.empty())
    return false;
  if (is_loopback(host) || same_letters(host, config_.bind_address))
    return true;
  // Bound to all addresses: any of them, as no name can be made to be one.
  if (is_any_address(config_.bind_address) && is_address(host))
    return true;
  return std::any_of(
    config_.hosts.begin(), config_.hosts.end(),
    [&](const std::string& name) { return same_letters(host, name); });
}

std::optional<http_response> gatekeeper::admit(const http_request& request,
                                               const request_target& target,
                                               const route_match& route,
                                               persistence::timestamp now,
                                               caller& who) const {
  const access needed = route.taken->needed;
  if (needed == access::none) {
    who = {access::none, {}, "anybody"};
    return std::nullopt;
  }
  const std::string_view host = request.header("Host");
  if (!host.empty() && !is_own_host(host))
    return forbidden("This node is not known by the name in the Host header; "
                     "names are added with http.hosts.");
  // A page of another site makes a browser ask on behalf of its user.
  const std::string_view origin = request.header("Origin");
  if (!origin.empty()
      && (host.empty() || !same_letters(authority_of(origin), host)))
    return forbidden("Requests from pages of another origin are not taken.");
  if (config_.keys.empty()) {
    who = {access::manage, {}, "anybody"};
    return std::nullopt;
  }
  const std::string key = key_of(request, target);
  if (!key.empty()) {
    const access right = config_.keys.right_of(key);
    if (right >= needed) {
      who = {right, key, "key " + access_keys::name_of(key)};
      return std::nullopt;
    }
    if (right != access::none)
      return forbidden("This key is good for reading only.");
    if (route.taken->operation != 0
        && config_.keys.token_allows(key, config_.hub_id, route.instance,
                                     route.taken->operation, now)) {
      who = {needed, {}, "token", true};
      return std::nullopt;
    }
  }
  return http_response{401, {}};
}

std::string redacted(std::string_view target) {
  std::string out;
  // The absolute form may carry a key as password.
  if (const std::size_t scheme = target.find("://");
      !target.starts_with('/') && scheme != target.npos)
    target.remove_prefix(std::min(target.find('/', scheme + 3), target.size()));
  while (!target.empty()) {
    const std::size_t equals
      = target.substr(0, target.find_first_of("?&;")).find('=');
    // Its name may be escaped as in any parameter, and its value may hold a
    // question mark.
    const bool is_code
      = equals != target.npos
        && same_letters(
          percent_decode(target.substr(0, equals), true).value_or(""), "code");
    const std::size_t end
      = is_code ? target.find('&') : target.find_first_of("?&;");
    const std::string_view part = target.substr(0, end);
    out += is_code && part.size() > equals + 1 ? "code=..." : part;
    if (end == target.npos)
      break;
    out += target[end];
    target.remove_prefix(end + 1);
  }
  return out;
}

} // namespace perdura::client
