// SPDX-License-Identifier: Apache-2.0
// The TOML configuration file of a node. It does not come from the network, but
// a node that crashes while it reads the file cannot report the mistakes in it.
#include "client/configuration/configuration_file.hpp"
#include "client/configuration/configuration_text.hpp"
#include "client/configuration/setting_value.hpp"
#include "client/configuration/settings.hpp"
#include "persistence/records/text.hpp"
#include "tests/fuzz/fuzz_targets.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace perdura::tests {

namespace {

using namespace perdura::client;

constexpr std::string_view file_name = "node.toml";

/// With the planted fault the written file lacks its escapes.
std::string written(const sourced_configuration& shown) {
  std::string text = to_toml(shown);
  if (is_planted("configuration"))
    for (std::size_t at = 0; (at = text.find('\\', at)) != text.npos;)
      text.erase(at, 1);
  return text;
}

bool is_control_character(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

violation check_message(const std::string& message) {
  if (!message.starts_with(file_name) && !message.starts_with("default"))
    return "a message does not begin with its position: " + message;
  if (std::any_of(message.begin(), message.end(), is_control_character))
    return "a message contains a control character: " + message;
  if (!persistence::is_utf8(message))
    return "a message is not UTF-8: " + message;
  return {};
}

/// Checks that a valid configuration has the same values after it was written
/// and read again.
violation check_written(const sourced_configuration& read) {
  for (const setting& each : settings())
    if (const auto problem_with = each.problem_with(each.get(read.values));
        !problem_with.empty())
      return "a value out of range is accepted: " + problem_with;
  const std::string text = written(read);
  const sourced_configuration again = parse_configuration(text, file_name);
  if (!again.problems.empty())
    return "the written file cannot be read: " + again.problems.front();
  for (const setting& each : settings())
    if (each.get(again.values) != each.get(read.values))
      return "a value changes by writing and reading: "
             + std::string(each.path);
  if (!nlohmann::json::accept(to_json(read)))
    return "the JSON output is not valid JSON";
  return {};
}

violation check_units(std::string_view text) {
  if (const auto time = parse_time(text)) {
    const auto again = parse_time(time_text(*time));
    if (*time < 0 || !again || *again != *time)
      return "a time changes by writing and reading: " + time_text(*time);
  }
  if (const auto size = parse_bytes(text)) {
    const auto again = parse_bytes(bytes_text(*size));
    if (*size < 0 || !again || *again != *size)
      return "a size changes by writing and reading: " + bytes_text(*size);
  }
  return {};
}

} // namespace

violation fuzz_configuration(std::string_view bytes) {
  if (auto found = check_units(bytes); !found.empty())
    return found;
  sourced_configuration read = parse_configuration(bytes, file_name);
  const bool is_valid = read.problems.empty();
  for (const auto& [path, origin] : read.origins)
    if (find_setting(path) == nullptr || !origin.starts_with(file_name))
      return "a setting has a wrong origin: " + path;
  if (is_valid)
    if (auto found = check_written(read); !found.empty())
      return found;
  read.check_consistency();
  for (const std::string& each : read.problems)
    if (auto found = check_message(each); !found.empty())
      return found;
  return {};
}

} // namespace perdura::tests
