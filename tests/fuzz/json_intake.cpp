// A stranger's body. nlohmann's parser is the second opinion on what JSON is;
// where the two may differ is written out below, and nowhere else.
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

/// Goes over a text with nlohmann's parser and builds nothing.
class second_reader : public json::json_sax_t {
public:
  std::size_t depth_max = 0;
  bool repeats_a_name = false;
  int failure = 0; ///< nlohmann's number of it.

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

  std::vector<std::set<std::string>> names_; ///< Of each open level.
};

/// Wrong if planted: any byte beyond ASCII will do.
persistence::result<void> check(std::string_view text) {
  if (!is_planted("json_intake"))
    return actors::check_json(text);
  std::string tame(text);
  for (char& c : tame)
    if (static_cast<unsigned char>(c) >= 0x80)
      c = 'a';
  return actors::check_json(tame);
}

/// Where the two may differ, and why.
broken_promise compare(std::string_view text,
                       const persistence::result<void>& ours, bool theirs,
                       const second_reader& seen) {
  if (ours && seen.depth_max > actors::json_depth_max)
    return "more levels than may be are taken";
  if (ours && !theirs) {
    // Numbers have any size with us; nlohmann's have a double's.
    constexpr int number_out_of_range = 406;
    return seen.failure == number_out_of_range
             ? broken_promise()
             : "nlohmann does not read what is taken";
  }
  if (!ours && theirs) {
    if (ours.code() == persistence::errc::json_too_deep)
      return seen.depth_max > actors::json_depth_max
               ? broken_promise()
               : "few levels are called too many";
    // nlohmann skips a byte order mark, and takes NUL for the end.
    const bool is_odd
      = text.starts_with("\xEF\xBB\xBF") || text.find('\0') != text.npos;
    return is_odd ? broken_promise() : "what nlohmann reads is refused";
  }
  return {};
}

// --- Start bindings ---------------------------------------------------------

/// Is this what an output binding holds?
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

broken_promise check_bindings(std::string_view text, const json& value) {
  const auto bindings = parse_start_bindings(text);
  const bool expected = value.is_array()
                          ? std::all_of(value.begin(), value.end(), is_binding)
                          : is_binding(value);
  if (static_cast<bool>(bindings) != expected)
    return expected ? "start bindings are refused"
                    : "what is no start binding is taken";
  if (!bindings)
    return {};
  const json list = value.is_array() ? value : json::array({value});
  if (bindings->size() != list.size())
    return "start bindings are lost or made up";
  for (std::size_t i = 0; i < list.size(); ++i) {
    const start_binding& binding = (*bindings)[i];
    const std::string id
      = list[i].contains("InstanceId") && list[i]["InstanceId"].is_string()
          ? list[i]["InstanceId"].get<std::string>()
          : "";
    if (binding.function_name != list[i]["FunctionName"]
        || binding.instance_id != id)
      return "a binding's function or instance is another";
    if (json::parse(binding.input.text()) != list[i].value("Input", json()))
      return "a binding's input is another";
  }
  return {};
}

// --- The command line's view ------------------------------------------------

broken_promise check_view(std::string_view text, const json& value) {
  for (const std::string& written : {json_pretty(text), json_compact(text)})
    if (json::parse(written, nullptr, false) != value)
      return "written anew it is another value: " + written;
  if (json_compact(json_pretty(text)) != json_compact(text))
    return "pretty and compact are not the same text";
  const auto items = json_items(text);
  if (items.size() != (value.is_array() ? value.size() : 0))
    return "an array has other items";
  for (std::size_t i = 0; i < items.size(); ++i)
    if (json::parse(items[i], nullptr, false) != value[i])
      return "an item of an array is another";
  if (value.is_string()) {
    const std::size_t first = text.find('"');
    if (json_plain(text.substr(first, text.rfind('"') - first + 1)) != value)
      return "a string's content is another";
  }
  if (!value.is_object())
    return {};
  for (const auto& [name, member] : value.items()) {
    const auto found = json_member(text, name);
    // Escapes in names are not looked behind.
    if (!found && text.find('\\') == text.npos)
      return "a member is not found: " + name;
    if (found && json::parse(*found, nullptr, false) != member)
      return "a member is another: " + name;
  }
  return json_member(text, "\x01").has_value() ? "a member is made up" : "";
}

} // namespace

broken_promise fuzz_json_intake(std::string_view bytes) {
  const std::string quoted = actors::json_string(bytes);
  if (!actors::check_json(quoted, quoted.size()))
    return "a string that we wrote is refused: " + quoted;

  const auto ours = check(bytes);
  second_reader seen;
  const bool theirs = json::sax_parse(bytes, &seen);
  if (auto broken = compare(bytes, ours, theirs, seen); !broken.empty())
    return broken;
  if (!ours)
    return parse_start_bindings(bytes) ? "bindings that are no JSON are taken"
                                       : "";
  // Whatever is in it, this goes over it without falling.
  const auto bindings = parse_start_bindings(bytes);
  if (bindings)
    for (const start_binding& each : *bindings)
      if (!actors::check_json(each.input.text()))
        return "a binding's input is no JSON";
  for (const std::string& written : {json_pretty(bytes), json_compact(bytes)})
    if (!actors::check_json(written, written.size()))
      return "written anew it is no JSON: " + written;
  // Of names that repeat, each reader takes another.
  if (!theirs || seen.repeats_a_name)
    return {};
  const json value = json::parse(bytes);
  if (auto broken = check_bindings(bytes, value); !broken.empty())
    return broken;
  return check_view(bytes, value);
}

} // namespace perdura::tests
