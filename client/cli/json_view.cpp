#include "client/cli/json_view.hpp"

#include <nlohmann/json.hpp>

namespace perdura::client {

namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/// Goes over the tokens of valid JSON; beyond the end nothing comes.
class token_walk {
public:
  explicit token_walk(std::string_view text) : text_(text) {}

  /// A bracket, comma, colon, string, or a bare word; empty at the end.
  std::string_view next() {
    while (at_ < text_.size() && is_blank(text_[at_]))
      ++at_;
    if (at_ >= text_.size())
      return {};
    const std::size_t first = at_++;
    if (text_[first] == '"') {
      while (at_ < text_.size() && text_[at_] != '"')
        at_ += text_[at_] == '\\' ? 2 : 1;
      at_ = std::min(at_ + 1, text_.size());
    } else if (!is_mark(text_[first])) {
      while (at_ < text_.size() && !is_blank(text_[at_]) && !is_mark(text_[at_])
             && text_[at_] != '"')
        ++at_;
    }
    return text_.substr(first, at_ - first);
  }

  /// The whole value that `first`, just taken, begins.
  std::string_view value(std::string_view first) {
    if (first.empty()) // It is not valid JSON after all.
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
  static bool is_mark(char c) {
    return c == '{' || c == '}' || c == '[' || c == ']' || c == ',' || c == ':';
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

} // namespace

std::vector<std::string_view> json_items(std::string_view text) {
  std::vector<std::string_view> items;
  token_walk walk(text);
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
  token_walk walk(text);
  if (walk.next() != "{")
    return std::nullopt;
  for (auto key = walk.next(); !key.empty() && key != "}"; key = walk.next()) {
    if (key == ",")
      continue;
    walk.next(); // the colon
    const std::string_view value = walk.value(walk.next());
    if (key.size() >= 2 && key.substr(1, key.size() - 2) == name)
      return value;
  }
  return std::nullopt;
}

std::string json_plain(std::optional<std::string_view> value) {
  if (!value)
    return {};
  if (!value->starts_with('"'))
    return std::string(*value);
  const auto parsed = nlohmann::json::parse(*value, nullptr, false);
  return parsed.is_string() ? parsed.get<std::string>() : std::string(*value);
}

std::string json_compact(std::string_view text) {
  std::string out;
  token_walk walk(text);
  for (auto token = walk.next(); !token.empty(); token = walk.next())
    out += token;
  return out;
}

std::string json_pretty(std::string_view text) {
  std::string out;
  std::size_t depth = 0;
  const auto new_line = [&] { out += '\n' + std::string(depth * 2, ' '); };
  token_walk walk(text);
  std::string_view before;
  for (auto token = walk.next(); !token.empty(); token = walk.next()) {
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

} // namespace perdura::client
