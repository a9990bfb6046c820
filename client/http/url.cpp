// SPDX-License-Identifier: Apache-2.0
#include "client/http/url.hpp"

#include "persistence/records/text.hpp"

namespace perdura::client {

namespace {

/// Removes the text up to the next separator, and the separator, from the
/// front of `text`. Returns the removed text without the separator.
std::string_view split_front(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  return part;
}

/// The byte that `%hh` at this position stands for; -1 if there is no such
/// escape.
int escaped_byte(std::string_view text, std::size_t at) {
  if (text[at] != '%' || at + 2 >= text.size())
    return -1;
  // -1 if the character is not a hexadecimal digit.
  const int high = persistence::hex_value(text[at + 1]);
  const int low = persistence::hex_value(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

} // namespace

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int byte = escaped_byte(text, i);
    if (byte < 0)
      return std::nullopt;
    out += static_cast<char>(byte);
    i += 2;
  }
  return out;
}

std::string decode_parameter(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int byte = escaped_byte(text, i);
    if (byte < 0) {
      out += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    out += static_cast<char>(byte);
    i += 2;
  }
  return out;
}

std::optional<bool> parse_flag(std::string_view value) {
  if (value == "1" || persistence::equal_ignoring_case(value, "true"))
    return true;
  if (value == "0" || persistence::equal_ignoring_case(value, "false"))
    return false;
  return std::nullopt;
}

// A linear search suffices, because a request has few parameters.
const std::string* request_target::find(std::string_view name) const {
  for (const auto& [key, value] : query)
    if (persistence::equal_ignoring_case(key, name))
      return &value;
  return nullptr;
}

// Other values are ignored, as in Durable Functions; requests that change
// something are checked before, by `check_parameters`.
bool request_target::flag(std::string_view name, bool default_value) const {
  const std::string* value = find(name);
  return value == nullptr ? default_value
                          : parse_flag(*value).value_or(default_value);
}

std::string_view target_authority(std::string_view target) {
  const std::size_t scheme = target.find("://");
  if (target.starts_with('/') || scheme == target.npos)
    return {};
  const std::string_view rest = target.substr(scheme + 3);
  return rest.substr(0, rest.find_first_of("/?#"));
}

std::optional<request_target> parse_target(std::string_view target) {
  // A proxy may send the whole URL (RFC 9112, section 3.2.2, absolute form).
  if (!target.starts_with('/'))
    if (const auto scheme = target.find("://"); scheme != target.npos) {
      const auto path = target.find('/', scheme + 3);
      target
        = path == target.npos ? std::string_view("/") : target.substr(path);
    }
  request_target out;
  // A fragment is not part of a request target; clients that send one are
  // tolerated.
  target = target.substr(0, target.find('#'));
  std::string_view path = split_front(target, '?');
  // The root "/" becomes an empty path, which has no segments.
  if (path.ends_with('/'))
    path.remove_suffix(1);
  out.path = path;
  // Each slash is followed by a segment, which may be empty.
  bool has_more = !path.empty();
  if (path.starts_with('/'))
    path.remove_prefix(1);
  while (has_more) {
    has_more = path.find('/') != path.npos;
    auto segment = percent_decode(split_front(path, '/'));
    if (!segment)
      return std::nullopt;
    out.segments.push_back(std::move(*segment));
  }
  while (!target.empty()) {
    // A parameter without `=` has an empty value.
    std::string_view parameter = split_front(target, '&');
    if (parameter.empty())
      continue;
    std::string name = decode_parameter(split_front(parameter, '='));
    out.query.emplace_back(std::move(name), decode_parameter(parameter));
  }
  return out;
}

} // namespace perdura::client
