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

} // namespace

std::optional<std::string> percent_decode(std::string_view text,
                                          bool plus_is_blank) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_blank) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      // -1 if the character is missing or not a hexadecimal digit.
      const int high
        = i + 2 < text.size() ? persistence::hex_value(text[i + 1]) : -1;
      const int low
        = i + 2 < text.size() ? persistence::hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0)
        return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

// A linear search suffices, because a request has few parameters.
const std::string* request_target::find(std::string_view name) const {
  for (const auto& [key, value] : query)
    if (persistence::equal_ignoring_case(key, name))
      return &value;
  return nullptr;
}

// Other values than true and false are ignored, as in Durable Functions.
bool request_target::flag(std::string_view name, bool default_value) const {
  const std::string* value = find(name);
  if (value != nullptr && persistence::equal_ignoring_case(*value, "true"))
    return true;
  if (value != nullptr && persistence::equal_ignoring_case(*value, "false"))
    return false;
  return default_value;
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
    const auto name = percent_decode(split_front(parameter, '='), true);
    auto value = percent_decode(parameter, true);
    if (!name || !value)
      return std::nullopt;
    out.query.emplace_back(*name, std::move(*value));
  }
  return out;
}

} // namespace perdura::client
