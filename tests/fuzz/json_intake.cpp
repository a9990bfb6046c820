// SPDX-License-Identifier: Apache-2.0
// Request bodies. The parser of nlohmann is the reference for JSON; `compare`
// lists the only differences that are allowed.
#include "actors/authoring/json_text_check.hpp"
#include "client/api/request_checks.hpp"
#include "client/cli/json_view.hpp"
#include "tests/fuzz/fuzz_targets.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>
#include <vector>

namespace perdura::tests {

namespace {

using namespace perdura::client;
using nlohmann::json;

/// Parses a text with nlohmann's parser without building a value.
class reference_reader : public json::json_sax_t {
public:
  std::size_t depth_max = 0;
  bool repeats_a_name = false;
  int failure = 0; ///< nlohmann's error number; 0 means none.

  bool null() override {
    return true;
  }

  bool boolean(bool) override {
    return true;
  }

  bool number_integer(number_integer_t) override {
    return true;
  }

  bool number_unsigned(number_unsigned_t) override {
    return true;
  }

  bool number_float(number_float_t, const string_t&) override {
    return true;
  }

  bool string(string_t&) override {
    return true;
  }

  bool binary(binary_t&) override {
    return true;
  }

  bool start_object(std::size_t) override {
    return open();
  }

  bool start_array(std::size_t) override {
    return open();
  }

  bool key(string_t& name) override {
    repeats_a_name = !names_.back().insert(name).second || repeats_a_name;
    return true;
  }

  bool end_object() override {
    names_.pop_back();
    return true;
  }

  bool end_array() override {
    names_.pop_back();
    return true;
  }

  bool parse_error(std::size_t, const std::string&,
                   const json::exception& why) override {
    failure = why.id;
    return false;
  }

private:
  bool open() {
    names_.emplace_back();
    depth_max = std::max(depth_max, names_.size());
    return true;
  }

  /// The member names of each open level.
  std::vector<std::set<std::string>> names_;
};

/// With the planted fault any byte above 0x7F is accepted.
persistence::result<void> check(std::string_view text) {
  if (!is_planted("json_intake"))
    return actors::check_json(text);
  std::string ascii(text);
  for (char& c : ascii)
    if (static_cast<unsigned char>(c) >= 0x80)
      c = 'a';
  return actors::check_json(ascii);
}

/// Checks that both parsers agree, except for the differences listed here.
violation compare(std::string_view text, const persistence::result<void>& ours,
                  bool accepted_by_nlohmann, const reference_reader& reader) {
  if (ours && reader.depth_max > actors::json_depth_max)
    return "more levels than json_depth_max are accepted";
  if (ours && !accepted_by_nlohmann) {
    // Perdura accepts numbers of any size, nlohmann only those that fit a
    // double.
    constexpr int number_out_of_range = 406;
    return reader.failure == number_out_of_range
             ? violation()
             : "a text is accepted that nlohmann refuses";
  }
  if (!ours && accepted_by_nlohmann) {
    if (ours.code() == persistence::errc::json_too_deep)
      return reader.depth_max > actors::json_depth_max
               ? violation()
               : "a text is refused as too deep although it is not";
    // nlohmann skips a byte order mark and treats NUL as the end of the text.
    const bool is_allowed
      = text.starts_with("\xEF\xBB\xBF") || text.find('\0') != text.npos;
    return is_allowed ? violation() : "a text is refused that nlohmann accepts";
  }
  return {};
}

// --- Start bindings ---------------------------------------------------------

/// Whether the value is a valid start binding.
bool is_binding(const json& value) {
  if (!value.is_object())
    return false;
  for (const auto& [name, member] : value.items()) {
    if (name == "InstanceId" ? !member.is_string() && !member.is_null()
        : name == "FunctionName"
          ? !member.is_string() || member.get_ref<const std::string&>().empty()
          : name != "Input")
      return false;
  }
  return value.contains("FunctionName");
}

violation check_bindings(std::string_view text, const json& value) {
  const auto bindings = parse_start_bindings(text);
  const bool expected = value.is_array()
                          ? std::all_of(value.begin(), value.end(), is_binding)
                          : is_binding(value);
  if (static_cast<bool>(bindings) != expected)
    return expected ? "valid start bindings are refused"
                    : "invalid start bindings are accepted";
  if (!bindings)
    return {};
  const json list = value.is_array() ? value : json::array({value});
  if (bindings->size() != list.size())
    return "start bindings are lost or invented";
  for (std::size_t i = 0; i < list.size(); ++i) {
    const start_binding& binding = (*bindings)[i];
    const std::string id
      = list[i].contains("InstanceId") && list[i]["InstanceId"].is_string()
          ? list[i]["InstanceId"].get<std::string>()
          : "";
    if (binding.function_name != list[i]["FunctionName"]
        || binding.instance_id != id)
      return "a binding has another function or instance";
    if (json::parse(binding.input.text()) != list[i].value("Input", json()))
      return "a binding has another input";
  }
  return {};
}

// --- The JSON output of the command line ------------------------------------

violation check_view(std::string_view text, const json& value) {
  for (const std::string& written : {json_pretty(text), json_compact(text)})
    if (json::parse(written, nullptr, false) != value)
      return "formatting changes the value: " + written;
  if (json_compact(json_pretty(text)) != json_compact(text))
    return "the pretty and the compact text differ in more than white space";
  const auto items = json_items(text);
  if (items.size() != (value.is_array() ? value.size() : 0))
    return "an array has another number of items";
  for (std::size_t i = 0; i < items.size(); ++i)
    if (json::parse(items[i], nullptr, false) != value[i])
      return "an item of an array has another value";
  if (value.is_string()) {
    const std::size_t first = text.find('"');
    if (json_unquoted(text.substr(first, text.rfind('"') - first + 1)) != value)
      return "a string has another content";
  }
  if (!value.is_object())
    return {};
  for (const auto& [name, member] : value.items()) {
    const auto found = json_member(text, name);
    // json_member compares names without decoding escapes.
    if (!found && text.find('\\') == text.npos)
      return "a member is not found: " + name;
    if (found && json::parse(*found, nullptr, false) != member)
      return "a member has another value: " + name;
  }
  return json_member(text, "\x01").has_value() ? "a member is invented" : "";
}

} // namespace

violation fuzz_json_intake(std::string_view bytes) {
  const std::string quoted = actors::json_string(bytes);
  if (!actors::check_json(quoted, quoted.size()))
    return "a string written by json_string is refused: " + quoted;

  const auto ours = check(bytes);
  reference_reader reader;
  const bool accepted_by_nlohmann = json::sax_parse(bytes, &reader);
  if (auto found = compare(bytes, ours, accepted_by_nlohmann, reader);
      !found.empty())
    return found;
  if (!ours)
    return parse_start_bindings(bytes)
             ? "bindings that are not JSON are accepted"
             : "";
  // These functions must accept any valid JSON.
  const auto bindings = parse_start_bindings(bytes);
  if (bindings)
    for (const start_binding& each : *bindings)
      if (!actors::check_json(each.input.text()))
        return "a binding's input is not JSON";
  for (const std::string& written : {json_pretty(bytes), json_compact(bytes)})
    if (!actors::check_json(written, written.size()))
      return "the formatted text is not JSON: " + written;
  // If a member name is repeated, the readers may choose different members.
  if (!accepted_by_nlohmann || reader.repeats_a_name)
    return {};
  const json value = json::parse(bytes);
  if (auto found = check_bindings(bytes, value); !found.empty())
    return found;
  return check_view(bytes, value);
}

} // namespace perdura::tests
