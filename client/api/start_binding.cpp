// SPDX-License-Identifier: Apache-2.0
#include "client/api/management_requests.hpp"
#include "client/api/request_checks.hpp"
#include <perdura/client/api/request_options.hpp>

#include <nlohmann/json.hpp>

#include <utility>

namespace perdura::client {

namespace {

/// Names and values of one object; the values are JSON text, verbatim.
using members = std::vector<std::pair<std::string, std::string>>;

/// Reads JSON text from left to right. The text must be valid JSON; it is
/// sliced, not parsed, so that every value keeps its exact bytes.
class json_cursor {
public:
  explicit json_cursor(std::string_view text) : text_(text) {}

  /// The next character that is not blank, or NUL at the end of the text.
  char peek() {
    while (at_ < text_.size() && is_space(text_[at_]))
      ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  /// Moves past `c` if it is the next character that is not blank.
  bool skip(char c) {
    if (peek() != c)
      return false;
    ++at_;
    return true;
  }

  /// Moves past the next value and returns its text.
  std::string_view value() {
    peek();
    // The value ends before the first blank, comma, colon or closing bracket
    // that is outside all brackets and strings of the value. Strings are
    // skipped whole, because brackets in them have no meaning.
    const std::size_t first = at_;
    int depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"')
        skip_string();
      else
        ++at_;
      if (c == '{' || c == '[')
        ++depth;
      else if (c == '}' || c == ']')
        --depth;
      if (depth == 0 && (at_ == text_.size() || ends_value(text_[at_])))
        break;
    }
    return text_.substr(first, at_ - first);
  }

private:
  static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
  }

  static bool ends_value(char c) {
    return is_space(c) || c == ',' || c == ':' || c == '}' || c == ']';
  }

  /// Moves past a string. A backslash escapes the next character, which may be
  /// a quote.
  void skip_string() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_)
      if (text_[at_] == '\\')
        ++at_;
    ++at_;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

/// Reads one object. False if the next value is not an object.
bool read_object(json_cursor& at, members& into) {
  if (!at.skip('{'))
    return false;
  // An empty object.
  if (at.skip('}'))
    return true;
  do {
    // Keys are parsed, because they may contain escapes. The text is valid
    // JSON, so neither the parse nor the skips below can fail.
    auto key = nlohmann::json::parse(at.value(), nullptr, false);
    at.skip(':');
    into.emplace_back(key.get<std::string>(), at.value());
  } while (at.skip(','));
  return at.skip('}');
}

/// Reads one object, or an array of objects. False if `text` is another value.
bool read_objects(std::string_view text, std::vector<members>& into) {
  json_cursor at(text);
  if (!at.skip('['))
    return read_object(at, into.emplace_back());
  if (at.skip(']'))
    return true;
  do {
    if (!read_object(at, into.emplace_back()))
      return false;
  } while (at.skip(','));
  return at.skip(']');
}

} // namespace

result<std::vector<start_binding>> parse_start_bindings(std::string_view text) {
  // This check also proves that the text is valid JSON; `json_cursor` requires
  // valid JSON.
  if (auto ok = check_payload(text, "binding"); !ok)
    return ok.error();
  const auto bad = [](const std::string& why) {
    return error{errc::invalid_argument,
                 "A start binding is {\"FunctionName\", \"Input\", "
                 "\"InstanceId\"} or an array of them: "
                   + why + "."};
  };
  std::vector<members> objects;
  if (!read_objects(text, objects))
    return bad("this is another JSON value");
  std::vector<start_binding> bindings;
  for (const members& object : objects) {
    start_binding binding;
    for (const auto& [key, value] : object) {
      // The input stays text: its bytes reach the orchestrator unchanged. If a
      // member is repeated, the last one counts.
      if (key == "Input") {
        binding.input = json_text(value);
        continue;
      }
      // An unknown member is refused, because it is most likely misspelt.
      if (key != "FunctionName" && key != "InstanceId")
        return bad("the member \"" + key + "\" is not known");
      // null means the same as a missing member.
      if (key == "InstanceId" && value == "null")
        continue;
      const auto text_value = nlohmann::json::parse(value, nullptr, false);
      if (!text_value.is_string())
        return bad("\"" + key + "\" must be a string");
      (key == "FunctionName" ? binding.function_name : binding.instance_id)
        = text_value.get<std::string>();
    }
    if (binding.function_name.empty())
      return bad("\"FunctionName\" is missing");
    // Each start is a durable change, so the number in one request is limited.
    if (bindings.size() == start_bindings_max)
      return error{errc::invalid_argument,
                   "One request starts at most "
                     + std::to_string(start_bindings_max)
                     + " instances (start_bindings_max); send several "
                       "requests."};
    bindings.push_back(std::move(binding));
  }
  return bindings;
}

result<start_or_raise_body> parse_start_or_raise(std::string_view text) {
  start_or_raise_body body;
  if (text.empty())
    return body;
  if (auto ok = check_payload(text, "body"); !ok)
    return ok.error();
  const auto bad = [](const std::string& why) {
    return error{errc::invalid_argument,
                 "The body of a start-or-raise request is {\"input\", "
                 "\"data\"}: "
                   + why + "."};
  };
  members given;
  json_cursor at(text);
  if (!read_object(at, given))
    return bad("this is another JSON value");
  for (const auto& [key, value] : given) {
    if (key != "input" && key != "data")
      return bad("the member \"" + key + "\" is not known");
    (key == "input" ? body.input : body.data) = value;
  }
  return body;
}

} // namespace perdura::client
