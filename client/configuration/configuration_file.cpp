#include "client/configuration/configuration_file.hpp"

#include "client/configuration/settings.hpp"
#include "persistence/records/steering_text.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>

namespace perdura::client {

namespace fs = std::filesystem;

namespace {

// A hundred times what the documented file has.
constexpr std::size_t text_bytes_max = std::size_t{1} << 20U;
// toml++ 3.3 makes a table of each part of a dotted key and takes them down
// one inside the other: without a limit a long key would end the stack.
constexpr std::ptrdiff_t dots_max = 5000;

/// A section is known if a setting is in it, or in a section of it.
bool is_section(std::string_view path) {
  return std::any_of(
    settings().begin(), settings().end(), [path](const setting& each) {
      const std::string_view section = each.section();
      return section == path
             || (section.starts_with(path) && section[path.size()] == '.');
    });
}

std::string what_it_is(const toml::node& node) {
  switch (node.type()) {
  case toml::node_type::table:
    return "a section";
  case toml::node_type::array:
    return "a list";
  case toml::node_type::string:
    return as_toml(setting_kind::text, **node.as_string());
  case toml::node_type::integer:
    return std::to_string(**node.as_integer());
  case toml::node_type::floating_point:
    return "a number with a point";
  case toml::node_type::boolean:
    return **node.as_boolean() ? "true" : "false";
  default:
    return "a date or time";
  }
}

/// Goes over a parsed file and puts what it finds in its place.
class file_walk {
public:
  file_walk(sourced_configuration& to, std::string_view file_name)
    : to_(to), file_name_(file_name) {}

  void section(const std::string& path, const toml::table& table) {
    for (const auto& [key, node] : table) {
      const std::string inner = path.empty()
                                  ? std::string(key.str())
                                  : path + '.' + std::string(key.str());
      if (const setting* known = find_setting(inner))
        value(*known, node);
      else if (!is_section(inner))
        unknown(inner, key.source().begin, node.is_table());
      else if (const toml::table* deeper = node.as_table())
        section(inner, *deeper);
      else
        problem(key.source().begin,
                inner + " is a section: write [" + inner + "].");
    }
  }

  void problem(const toml::source_position& at, const std::string& sentence) {
    found_.push_back({at, sentence});
  }

  /// From top to bottom, though the tables are sorted by name.
  void report() {
    std::stable_sort(
      found_.begin(), found_.end(),
      [](const finding& a, const finding& b) { return a.at < b.at; });
    for (const finding& each : found_)
      to_.problems.push_back(place(each.at) + ": "
                             + persistence::without_steering(each.sentence));
    found_.clear();
  }

private:
  struct finding {
    toml::source_position at;
    std::string sentence;
  };

  std::string place(const toml::source_position& at) const {
    return file_name_ + ':' + std::to_string(at.line) + ':'
           + std::to_string(at.column);
  }

  void unknown(const std::string& path, const toml::source_position& at,
               bool is_table) {
    // The key came from the file, and may be anything.
    const std::string shown = as_toml(setting_kind::text, path);
    const std::string_view near = nearest_setting(path);
    problem(
      at,
      "There is no " + std::string(is_table ? "section " : "setting ") + shown
        + (near.empty() ? "." : "; did you mean " + std::string(near) + "?"));
  }

  void value(const setting& known, const toml::node& node) {
    const auto& at = node.source().begin;
    const std::string path(known.path);
    std::string why;
    auto read = to_value(known, node, why);
    if (!read) {
      problem(at, why.empty() ? path + " wants " + known.wanted() + ", not "
                                  + what_it_is(node) + '.'
                              : path + ": " + why + '.');
      return;
    }
    if (std::string objection = known.objection(*read); !objection.empty()) {
      problem(at, objection);
      return;
    }
    known.set(to_.values, *read);
    to_.origins[path] = file_name_ + ':' + std::to_string(at.line);
  }

  /// Nothing if it is of another type; `why` then says more where it can.
  std::optional<setting_value> to_value(const setting& known,
                                        const toml::node& node,
                                        std::string& why) const {
    const toml::value<std::string>* text = node.as_string();
    switch (known.kind) {
    case setting_kind::flag:
      if (const auto* flag = node.as_boolean())
        return **flag;
      return std::nullopt;
    case setting_kind::count:
      return whole(node);
    case setting_kind::time:
      return text == nullptr ? std::nullopt : in_units(parse_time(**text), why);
    case setting_kind::bytes:
      return text == nullptr ? whole(node) : in_units(parse_bytes(**text), why);
    case setting_kind::list:
      return texts(node);
    case setting_kind::path:
      return text == nullptr ? std::nullopt : from_here(**text);
    case setting_kind::text:
    case setting_kind::choice:
      break;
    }
    if (text == nullptr)
      return std::nullopt;
    return **text;
  }

  static std::optional<setting_value> whole(const toml::node& node) {
    if (const auto* number = node.as_integer())
      return **number;
    return std::nullopt;
  }

  static std::optional<setting_value>
  in_units(const persistence::result<std::int64_t>& read, std::string& why) {
    if (read)
      return *read;
    why = read.error().message;
    return std::nullopt;
  }

  static std::optional<setting_value> texts(const toml::node& node) {
    const toml::array* array = node.as_array();
    if (array == nullptr)
      return std::nullopt;
    std::vector<std::string> all;
    for (const toml::node& each : *array) {
      if (!each.is_string())
        return std::nullopt;
      all.push_back(**each.as_string());
    }
    return all;
  }

  std::optional<setting_value> from_here(const std::string& text) const {
    if (text.empty())
      return text;
    return (fs::path(file_name_).parent_path() / text)
      .lexically_normal()
      .string();
  }

  sourced_configuration& to_;
  std::string file_name_;
  std::vector<finding> found_;
};

/// Nothing if it may be parsed.
std::string too_much(std::string_view text) {
  if (text.size() > text_bytes_max)
    return "The file is larger than 1 MiB; it is no configuration.";
  if (std::count(text.begin(), text.end(), '.') > dots_max)
    return "The file has more than " + std::to_string(dots_max)
           + " dots; it is no configuration.";
  return {};
}

} // namespace

std::string sourced_configuration::origin_of(std::string_view path) const {
  const auto found = origins.find(path);
  return found == origins.end() ? "default" : found->second;
}

void sourced_configuration::override_with(std::string_view path,
                                          setting_value value,
                                          const std::string& flag) {
  const setting* known = find_setting(path);
  if (std::string objection = known->objection(value); !objection.empty()) {
    problems.push_back(flag + ": " + objection);
    return;
  }
  known->set(values, value);
  origins[std::string(path)] = "flag " + flag;
}

void sourced_configuration::check_together() {
  for (const discord& each : find_discords(values))
    problems.push_back(origin_of(each.path) + ": "
                       + persistence::without_steering(each.sentence));
}

sourced_configuration parse_configuration(std::string_view text,
                                          std::string_view file_name) {
  sourced_configuration read;
  if (std::string sentence = too_much(text); !sentence.empty()) {
    read.problems.push_back(std::string(file_name) + ": " + sentence);
    return read;
  }
  file_walk walk(read, file_name);
  try {
    const toml::table table = toml::parse(text, file_name);
    walk.section({}, table);
  } catch (const toml::parse_error& failure) {
    walk.problem(failure.source().begin,
                 "This is not TOML: " + std::string(failure.description())
                   + '.');
  }
  walk.report();
  return read;
}

sourced_configuration read_configuration(const std::string& file_name) {
  const auto unreadable = [&](const std::string& why) {
    sourced_configuration nothing;
    nothing.problems.push_back("Cannot read \"" + file_name + "\": " + why
                               + '.');
    return nothing;
  };
  std::error_code failure;
  if (fs::is_directory(file_name, failure))
    return unreadable("it is a directory");
  errno = 0;
  std::ifstream file(file_name, std::ios::binary);
  if (!file)
    return unreadable(std::generic_category().message(errno));
  // A pipe or a device may have no end.
  std::string text(text_bytes_max + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (file.bad())
    return unreadable("it broke off");
  return parse_configuration(text, file_name);
}

} // namespace perdura::client
