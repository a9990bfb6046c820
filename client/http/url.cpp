#include "client/http/url.hpp"

#include "client/http/http_message.hpp"

namespace perdura::client {

namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

/// Takes what stands before the next separator off the front.
std::string_view take_part(std::string_view& text, char separator) {
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
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0)
        return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

const std::string* request_target::find(std::string_view name) const {
  for (const auto& [key, value] : query)
    if (same_letters(key, name))
      return &value;
  return nullptr;
}

bool request_target::flag(std::string_view name, bool otherwise) const {
  const std::string* value = find(name);
  if (value != nullptr && same_letters(*value, "true"))
    return true;
  if (value != nullptr && same_letters(*value, "false"))
    return false;
  return otherwise;
}

std::optional<request_target> parse_target(std::string_view target) {
  // A proxy may send the whole URL (RFC 7230, absolute form).
  if (!target.starts_with('/'))
    if (const auto scheme = target.find("://"); scheme != target.npos) {
      const auto path = target.find('/', scheme + 3);
      target
        = path == target.npos ? std::string_view("/") : target.substr(path);
    }
  request_target out;
  target = target.substr(0, target.find('#'));
  std::string_view path = take_part(target, '?');
  if (path.ends_with('/'))
    path.remove_suffix(1);
  out.path = path;
  // Each slash is followed by a segment, be it an empty one.
  bool has_more = !path.empty();
  if (path.starts_with('/'))
    path.remove_prefix(1);
  while (has_more) {
    has_more = path.find('/') != path.npos;
    auto segment = percent_decode(take_part(path, '/'));
    if (!segment)
      return std::nullopt;
    out.segments.push_back(std::move(*segment));
  }
  while (!target.empty()) {
    std::string_view parameter = take_part(target, '&');
    if (parameter.empty())
      continue;
    const auto name = percent_decode(take_part(parameter, '='), true);
    auto value = percent_decode(parameter, true);
    if (!name || !value)
      return std::nullopt;
    out.query.emplace_back(*name, std::move(*value));
  }
  return out;
}

} // namespace perdura::client
