#include "client/api/orchestration_client.hpp"
#include "client/api/request_checks.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace perdura::client {

namespace {

/// Names and values of one object; the values are JSON text, verbatim.
using members = std::vector<std::pair<std::string, std::string>>;

/// Walks over text that is known to be valid JSON.
class walker {
public:
  explicit walker(std::string_view text) : text_(text) {}

  char peek() {
    while (at_ < text_.size() && is_space(text_[at_]))
      ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  bool skip(char c) {
    if (peek() != c)
      return false;
    ++at_;
    return true;
  }

  /// The text of the value that begins here.
  std::string_view value() {
    peek();
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

  void skip_string() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_)
      if (text_[at_] == '\\')
        ++at_;
    ++at_;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

bool split_object(walker& at, members& into) {
  if (!at.skip('{'))
    return false;
  if (at.skip('}'))
    return true;
  do {
    auto key = nlohmann::json::parse(at.value(), nullptr, false);
    at.skip(':');
    into.emplace_back(key.get<std::string>(), at.value());
  } while (at.skip(','));
  return at.skip('}');
}

bool split(std::string_view text, std::vector<members>& into) {
  walker at(text);
  if (!at.skip('['))
    return split_object(at, into.emplace_back());
  if (at.skip(']'))
    return true;
  do {
    if (!split_object(at, into.emplace_back()))
      return false;
  } while (at.skip(','));
  return at.skip(']');
}

} // namespace

result<std::vector<start_binding>> parse_start_bindings(std::string_view text) {
  if (auto ok = check_payload(text, "binding"); !ok)
    return ok.error();
  const auto bad = [](const std::string& why) {
    return error{errc::invalid_argument,
                 "A start binding is {\"FunctionName\", \"Input\", "
                 "\"InstanceId\"} or an array of them: "
                   + why + "."};
  };
  std::vector<members> objects;
  if (!split(text, objects))
    return bad("this is something else");
  std::vector<start_binding> bindings;
  for (const members& object : objects) {
    start_binding binding;
    for (const auto& [key, value] : object) {
      if (key == "Input") {
        binding.input = json_text(value);
        continue;
      }
      if (key != "FunctionName" && key != "InstanceId")
        return bad("the member \"" + key + "\" is not known");
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
    if (bindings.size() == start_bindings_max)
      return error{errc::invalid_argument,
                   "One request starts at most "
                     + std::to_string(start_bindings_max)
                     + " instances (start_bindings_max); send several."};
    bindings.push_back(std::move(binding));
  }
  return bindings;
}

} // namespace perdura::client
