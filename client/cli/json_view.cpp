// SPDX-License-Identifier: Apache-2.0
#include "client/cli/json_view.hpp"

#include <nlohmann/json.hpp>

namespace perdura::client {

namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/// Reads the tokens of valid JSON; returns an empty token at the end.
class token_reader {
public:
  explicit token_reader(std::string_view text) : text_(text) {}

  /// The next token: a bracket, comma, colon, string, number or literal. Empty
  /// at the end.
  std::string_view next() {
    while (at_ < text_.size() && is_blank(text_[at_]))
      ++at_;
    if (at_ >= text_.size())
      return {};
    const std::size_t first = at_++;
    if (text_[first] == '"') {
      // A backslash and the character after it are skipped together: that
      // character may be a quotation mark that does not end the string.
      while (at_ < text_.size() && text_[at_] != '"')
        at_ += text_[at_] == '\\' ? 2 : 1;
      at_ = std::min(at_ + 1, text_.size());
    } else if (!is_punctuation(text_[first])) {
      while (at_ < text_.size() && !is_blank(text_[at_])
             && !is_punctuation(text_[at_]) && text_[at_] != '"')
        ++at_;
    }
    return text_.substr(first, at_ - first);
  }

  /// The whole value that begins with `first`, which must be the token that was
  /// read last. The value of an object or array includes the closing bracket.
  std::string_view value(std::string_view first) {
    if (first.empty()) // The text is not valid JSON.
      return {};
    std::size_t depth = 0;
    for (std::string_view token = first; !token.empty(); token = next()) {
      if (token == "{" || token == "[")
        ++depth;
      else if ((token == "}" || token == "]") && depth > 0)
        --depth;
      if (depth == 0)
        break;
    }
    const char* begin = first.data();
    return {begin, static_cast<std::size_t>(text_.data() + at_ - begin)};
  }

private:
  static bool is_punctuation(char c) {
    return c == '{' || c == '}' || c == '[' || c == ']' || c == ',' || c == ':';
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

} // namespace

std::vector<std::string_view> json_items(std::string_view text) {
  std::vector<std::string_view> items;
  token_reader walk(text);
  if (walk.next() != "[")
    return items;
  for (auto token = walk.next(); !token.empty() && token != "]";
       token = walk.next())
    if (token != ",")
      items.push_back(walk.value(token));
  return items;
}

std::optional<std::string_view> json_member(std::string_view text,
                                            std::string_view name) {
  token_reader walk(text);
  if (walk.next() != "{")
    return std::nullopt;
  for (auto key = walk.next(); !key.empty() && key != "}"; key = walk.next()) {
    if (key == ",")
      continue;
    walk.next(); // Skip the colon.
    const std::string_view value = walk.value(walk.next());
    if (key.size() >= 2 && key.substr(1, key.size() - 2) == name)
      return value;
  }
  return std::nullopt;
}

std::string json_unquoted(std::optional<std::string_view> value) {
  if (!value)
    return {};
  if (!value->starts_with('"'))
    return std::string(*value);
  // nlohmann::json decodes the escapes. If an escape is invalid, the result is
  // not a string.
  const auto parsed = nlohmann::json::parse(*value, nullptr, false);
  return parsed.is_string() ? parsed.get<std::string>() : std::string(*value);
}

std::string json_compact(std::string_view text) {
  std::string out;
  token_reader walk(text);
  for (auto token = walk.next(); !token.empty(); token = walk.next())
    out += token;
  return out;
}

std::string json_pretty(std::string_view text) {
  std::string out;
  std::size_t depth = 0;
  const auto new_line = [&] { out += '\n' + std::string(depth * 2, ' '); };
  token_reader walk(text);
  std::string_view before;
  for (auto token = walk.next(); !token.empty(); token = walk.next()) {
    // An empty object or array stays on one line.
    const bool opened = before == "{" || before == "[";
    if (token == "}" || token == "]") {
      --depth;
      if (!opened)
        new_line();
    } else if (opened || before == ",") {
      new_line();
    }
    out += token;
    if (token == "{" || token == "[")
      ++depth;
    else if (token == ":")
      out += ' ';
    before = token;
  }
  return out;
}

std::string json_text_member(std::string_view object, std::string_view name) {
  return json_unquoted(json_member(object, name));
}

} // namespace perdura::client
