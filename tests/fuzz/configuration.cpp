// A node's TOML file. Nobody far away sends one, but a node that falls over
// its own settings cannot say what is wrong with them.
#include "client/configuration/configuration_file.hpp"
#include "client/configuration/configuration_text.hpp"
#include "client/configuration/setting_value.hpp"
#include "client/configuration/settings.hpp"
#include "persistence/records/identity.hpp"
#include "tests/fuzz/fuzz_targets.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace perdura::tests {

namespace {

using namespace perdura::client;

constexpr std::string_view file_name = "node.toml";

/// Wrong if planted: what was escaped in the file is not when it is written.
std::string written(const sourced_configuration& shown) {
  std::string text = to_toml(shown);
  if (is_planted("configuration"))
    for (std::size_t at = 0; (at = text.find('\\', at)) != text.npos;)
      text.erase(at, 1);
  return text;
}

bool steers(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

broken_promise check_sentence(const std::string& sentence) {
  if (!sentence.starts_with(file_name) && !sentence.starts_with("default"))
    return "a sentence does not say where: " + sentence;
  if (std::any_of(sentence.begin(), sentence.end(), steers))
    return "a sentence steers the terminal: " + sentence;
  if (!persistence::is_utf8(sentence))
    return "a sentence is no UTF-8: " + sentence;
  return {};
}

/// A file without problems says what it says, however often it is written.
broken_promise check_written(const sourced_configuration& read) {
  for (const setting& each : settings())
    if (const auto objection = each.objection(each.get(read.values));
        !objection.empty())
      return "a value out of range is in force: " + objection;
  const std::string text = written(read);
  const sourced_configuration again = parse_configuration(text, file_name);
  if (!again.problems.empty())
    return "what was written cannot be read: " + again.problems.front();
  for (const setting& each : settings())
    if (each.get(again.values) != each.get(read.values))
      return "a value is another after writing: " + std::string(each.path);
  if (!nlohmann::json::accept(to_json(read)))
    return "what is shown as JSON is none";
  return {};
}

broken_promise check_units(std::string_view text) {
  if (const auto time = parse_time(text)) {
    const auto again = parse_time(time_text(*time));
    if (*time < 0 || !again || *again != *time)
      return "a time is another after writing: " + time_text(*time);
  }
  if (const auto size = parse_bytes(text)) {
    const auto again = parse_bytes(bytes_text(*size));
    if (*size < 0 || !again || *again != *size)
      return "a size is another after writing: " + bytes_text(*size);
  }
  return {};
}

} // namespace

broken_promise fuzz_configuration(std::string_view bytes) {
  if (auto broken = check_units(bytes); !broken.empty())
    return broken;
  sourced_configuration read = parse_configuration(bytes, file_name);
  const bool is_sound = read.problems.empty();
  for (const auto& [path, origin] : read.origins)
    if (find_setting(path) == nullptr || !origin.starts_with(file_name))
      return "an origin is made up: " + path;
  if (is_sound)
    if (auto broken = check_written(read); !broken.empty())
      return broken;
  read.check_together();
  for (const std::string& each : read.problems)
    if (auto broken = check_sentence(each); !broken.empty())
      return broken;
  return {};
}

} // namespace perdura::tests
