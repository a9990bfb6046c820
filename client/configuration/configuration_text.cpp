// SPDX-License-Identifier: Apache-2.0
#include "client/configuration/configuration_text.hpp"

#include "client/configuration/settings.hpp"
#include "persistence/records/text.hpp"

#include <cstdlib>

namespace perdura::client {

namespace {

/// `key = value`, as in a TOML file.
std::string assignment(const setting& shown, const configuration& from) {
  return std::string(shown.key()) + " = "
         + as_toml(shown.kind, shown.get(from));
}

/// Whether the environment variable exists and is not empty.
bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

/// The origin of a value. The origin of `http.keys_file` also names the
/// environment variables that add keys. A key itself is never shown.
std::string origin_text(const setting& shown,
                        const sourced_configuration& from) {
  std::string text = from.origin_of(shown.path);
  if (shown.path == "http.keys_file")
    for (const char* name : {"PERDURA_KEYS", "PERDURA_KEYS_READ"})
      if (is_set(name))
        text += std::string("; environment: more keys in ") + name;
  return text;
}

/// The text as a JSON string.
std::string json_of(const std::string& text) {
  return as_json(setting_kind::text, text);
}

/// The members `value` and `from`, and the brace that ends their object.
std::string value_and_origin(const setting& each,
                             const sourced_configuration& shown) {
  return "\"value\":" + as_json(each.kind, each.get(shown.values))
         + ",\"from\":" + json_of(origin_text(each, shown)) + '}';
}

} // namespace

std::string to_toml(const sourced_configuration& shown) {
  // The origins start in this column. The origin of a longer line follows
  // directly after the line.
  constexpr std::size_t comment_column = 40;
  std::string out;
  std::string_view section;
  for (const setting& each : settings()) {
    // The settings of a section follow one another, so each section header is
    // written once.
    if (each.section() != section) {
      section = each.section();
      out += (out.empty() ? "[" : "\n[") + std::string(section) + "]\n";
    }
    std::string line = assignment(each, shown.values);
    if (line.size() < comment_column)
      line.resize(comment_column, ' ');
    std::string comment = origin_text(each, shown);
    // The name of a file may hold a line break, which would end the comment.
    for (char& c : comment)
      if (persistence::is_control(c))
        c = '?';
    out += line + " # " + comment + '\n';
  }
  return out;
}

std::string to_json(const sourced_configuration& shown) {
  std::string out = "{";
  for (const setting& each : settings())
    out += (out.size() > 1 ? "," : "") + json_of(std::string(each.path)) + ":{"
           + value_and_origin(each, shown);
  return out + '}';
}

std::string to_json_lines(const sourced_configuration& shown) {
  std::string out;
  for (const setting& each : settings())
    out += "{\"name\":" + json_of(std::string(each.path)) + ','
           + value_and_origin(each, shown) + '\n';
  return out;
}

std::string documentation_of(const setting& shown) {
  // 80 columns, minus the two of "# ".
  constexpr std::size_t width = 78;
  std::string out;
  std::string_view rest = shown.help;
  while (!rest.empty()) {
    std::size_t end = rest.size();
    if (end > width)
      // No word of a help text is longer than a line, so `rfind` finds a blank.
      end = rest.rfind(' ', width);
    out += "# " + std::string(rest.substr(0, end)) + '\n';
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out + '#' + assignment(shown, configuration()) + '\n';
}

} // namespace perdura::client
