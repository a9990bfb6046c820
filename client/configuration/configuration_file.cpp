// SPDX-License-Identifier: Apache-2.0
#include "client/configuration/configuration_file.hpp"

#include "client/configuration/settings.hpp"
#include "persistence/records/text.hpp"

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

// The largest size of a configuration file, more than a hundred times the size
// of configs/single-node.toml.
constexpr std::size_t text_bytes_max = std::size_t{1} << 20U;
// toml++ 3.3 makes nested tables of the parts of a dotted key and destroys them
// recursively, so a key with too many dots would overflow the stack.
constexpr std::ptrdiff_t dots_max = 5000;

/// Whether `path` is a section that holds settings or other sections.
bool is_section(std::string_view path) {
  return std::any_of(
    settings().begin(), settings().end(), [path](const setting& each) {
      // `path` is the name of the section, or the name of a section that
      // contains it: "http" contains "http.tls".
      const std::string_view section = each.section();
      return section == path
             || (section.starts_with(path) && section[path.size()] == '.');
    });
}

/// Describes a value from the file. The result replaces VALUE in the sentence
/// "… must be …, not VALUE".
std::string describe_value(const toml::node& node) {
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
    return "a number with decimals";
  case toml::node_type::boolean:
    return **node.as_boolean() ? "true" : "false";
  default:
    // TOML has four types of dates and times; no setting uses them.
    return "a date or time";
  }
}

/// Walks over a parsed file and sets the values of a configuration.
class file_reader {
public:
  file_reader(sourced_configuration& to, std::string_view file_name)
    : to_(to), file_name_(file_name) {}

  /// Reads a table and the tables in it. `path` is empty for the whole file.
  void section(const std::string& path, const toml::table& table) {
    for (const auto& [key, node] : table) {
      const std::string inner = path.empty()
                                  ? std::string(key.str())
                                  : path + '.' + std::string(key.str());
      if (const setting* known = find_setting(inner))
        value(*known, node);
      // An unknown section is reported once; the settings in it are not
      // examined.
      else if (!is_section(inner))
        unknown(inner, key.source().begin, node.is_table());
      else if (const toml::table* deeper = node.as_table())
        section(inner, *deeper);
      else
        problem(key.source().begin,
                inner + " is a section: write [" + inner + "].");
    }
  }

  /// Records a problem; `report` moves it to the configuration.
  void problem(const toml::source_position& at, const std::string& sentence) {
    found_.push_back({at, sentence});
  }

  /// Moves the problems to the configuration, in the order of the file. (The
  /// parser's tables are sorted by name.)
  void report() {
    // A stable sort keeps the order of problems at the same position.
    std::stable_sort(
      found_.begin(), found_.end(),
      [](const finding& a, const finding& b) { return a.at < b.at; });
    for (const finding& each : found_)
      to_.problems.push_back(
        place(each.at) + ": "
        + persistence::without_terminal_escapes(each.sentence));
    found_.clear();
  }

private:
  /// A problem and its position in the file.
  struct finding {
    toml::source_position at;
    std::string sentence;
  };

  /// "FILE:LINE:COLUMN", the form that editors recognize.
  std::string place(const toml::source_position& at) const {
    return file_name_ + ':' + std::to_string(at.line) + ':'
           + std::to_string(at.column);
  }

  /// Reports a key that is neither a setting nor a section, with the most
  /// similar name.
  void unknown(const std::string& path, const toml::source_position& at,
               bool is_table) {
    // The key comes from the file and may hold any characters.
    const std::string shown = as_toml(setting_kind::text, path);
    const std::string_view similar = nearest_setting(path);
    problem(at, "There is no " + std::string(is_table ? "section " : "setting ")
                  + shown
                  + (similar.empty()
                       ? "."
                       : "; did you mean " + std::string(similar) + "?"));
  }

  /// Sets a setting and records its origin, or reports why it is not valid.
  void value(const setting& known, const toml::node& node) {
    const auto& at = node.source().begin;
    const std::string path(known.path);
    std::string why;
    auto read = to_value(known, node, why);
    if (!read) {
      problem(at, why.empty() ? path + " must be " + known.expected_values()
                                  + ", not " + describe_value(node) + '.'
                              : path + ": " + why + '.');
      return;
    }
    // A value out of range is not stored, so the configuration always holds
    // valid values.
    if (std::string sentence = known.problem_with(*read); !sentence.empty()) {
      problem(at, sentence);
      return;
    }
    known.set(to_.values, *read);
    // An origin is a file and a line, without the column.
    to_.origins[path] = file_name_ + ':' + std::to_string(at.line);
  }

  /// The value for a setting. No value if the node has another type or form;
  /// `why` may then explain the reason.
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
    // A number without a unit is a number of bytes.
    case setting_kind::bytes:
      return text == nullptr ? whole(node) : in_units(parse_bytes(**text), why);
    case setting_kind::list:
      return texts(node);
    case setting_kind::path:
      return text == nullptr ? std::nullopt : resolved_path(**text);
    case setting_kind::text:
    case setting_kind::choice:
      break;
    }
    if (text == nullptr)
      return std::nullopt;
    return **text;
  }

  /// The value of an integer. A number with decimals gives no value.
  static std::optional<setting_value> whole(const toml::node& node) {
    if (const auto* number = node.as_integer())
      return **number;
    return std::nullopt;
  }

  /// The parsed time or size. If the text is neither, sets `why` to the reason.
  static std::optional<setting_value>
  in_units(const persistence::result<std::int64_t>& read, std::string& why) {
    if (read)
      return *read;
    why = read.error().message;
    return std::nullopt;
  }

  /// A list whose elements are all strings.
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

  /// The path relative to the directory of the file. An empty text stays empty,
  /// because it means that there is no file.
  std::optional<setting_value> resolved_path(const std::string& text) const {
    if (text.empty())
      return text;
    return (fs::path(file_name_).parent_path() / text)
      .lexically_normal()
      .string();
  }

  sourced_configuration& to_;
  /// As given by the caller; not opened here.
  std::string file_name_;
  std::vector<finding> found_;
};

/// The sentence that refuses a text because it is too large; empty if the text
/// is not too large.
std::string size_problem(std::string_view text) {
  if (text.size() > text_bytes_max)
    return "The file is larger than 1 MiB, the limit for a configuration.";
  if (std::count(text.begin(), text.end(), '.') > dots_max)
    return "The file has more than " + std::to_string(dots_max)
           + " dots, the limit for a configuration.";
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
  // Never null: the caller passes the path of an existing setting.
  const setting* known = find_setting(path);
  if (std::string sentence = known->problem_with(value); !sentence.empty()) {
    problems.push_back(flag + ": " + sentence);
    return;
  }
  known->set(values, value);
  origins[std::string(path)] = "flag " + flag;
}

// Each problem begins with the origin of the value: the file and line, the
// flag, or "default".
void sourced_configuration::check_consistency() {
  for (const inconsistency& each : find_inconsistencies(values))
    problems.push_back(origin_of(each.path) + ": "
                       + persistence::without_terminal_escapes(each.sentence));
}

sourced_configuration parse_configuration(std::string_view text,
                                          std::string_view file_name) {
  sourced_configuration read;
  if (std::string sentence = size_problem(text); !sentence.empty()) {
    read.problems.push_back(std::string(file_name) + ": " + sentence);
    return read;
  }
  // All problems of the file are collected, so that the user can correct them
  // in one pass. A syntax error ends the parse; it is then the only problem.
  file_reader walk(read, file_name);
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
  // On Linux, an ifstream can open a directory; the read then fails, but the
  // stream does not report why.
  if (fs::is_directory(file_name, failure))
    return unreadable("it is a directory");
  errno = 0;
  std::ifstream file(file_name, std::ios::binary);
  if (!file)
    return unreadable(std::generic_category().message(errno));
  // Reads a limited size, because a pipe or a device may have no end.
  std::string text(text_bytes_max + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (file.bad())
    return unreadable("an error occurred while reading it");
  return parse_configuration(text, file_name);
}

} // namespace perdura::client
