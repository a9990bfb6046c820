#include "client/configuration/configuration_text.hpp"

#include "client/configuration/settings.hpp"

#include <cstdlib>

namespace perdura::client {

namespace {

std::string assignment(const setting& shown, const configuration& from) {
  return std::string(shown.key()) + " = "
         + as_toml(shown.kind, shown.get(from));
}

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

std::string why(const setting& shown, const sourced_configuration& from) {
  std::string text = from.origin_of(shown.path);
  // The keys themselves are nobody's business.
  if (shown.path == "http.keys_file")
    for (const char* name : {"PERDURA_KEYS", "PERDURA_KEYS_READ"})
      if (is_set(name))
        text += std::string("; environment: more keys in ") + name;
  return text;
}

std::string json_of(const std::string& text) {
  return as_json(setting_kind::text, text);
}

std::string value_and_origin(const setting& each,
                             const sourced_configuration& shown) {
  return "\"value\":" + as_json(each.kind, each.get(shown.values))
         + ",\"from\":" + json_of(why(each, shown)) + '}';
}

} // namespace

std::string to_toml(const sourced_configuration& shown) {
  constexpr std::size_t comment_column = 40;
  std::string out;
  std::string_view section;
  for (const setting& each : settings()) {
    if (each.section() != section) {
      section = each.section();
      out += (out.empty() ? "[" : "\n[") + std::string(section) + "]\n";
    }
    std::string line = assignment(each, shown.values);
    if (line.size() < comment_column)
      line.resize(comment_column, ' ');
    std::string comment = why(each, shown);
    // A file's name may hold anything; the comment must end with the line.
    for (char& c : comment)
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
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

std::string documented(const setting& shown) {
  constexpr std::size_t width = 78;
  std::string out;
  std::string_view rest = shown.help;
  while (!rest.empty()) {
    std::size_t end = rest.size();
    if (end > width)
      end = rest.rfind(' ', width);
    out += "# " + std::string(rest.substr(0, end)) + '\n';
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out + '#' + assignment(shown, configuration()) + '\n';
}

} // namespace perdura::client
