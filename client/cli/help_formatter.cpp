// SPDX-License-Identifier: Apache-2.0
#include "client/cli/help_formatter.hpp"

#include <algorithm>
#include <set>
#include <sstream>

namespace perdura::client {

namespace {

// The width of a standard terminal, in columns.
constexpr std::size_t line_width = 80;

/// Wraps one line and appends it with a line end. The first line keeps the
/// indentation of `line`.
void append_wrapped(std::string& to, const std::string& line,
                    std::size_t width) {
  const std::size_t indent = std::min(line.find_first_not_of(' '), line.size());
  std::string current(indent, ' ');
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    const bool is_first = current.find_first_not_of(' ') == current.npos;
    if (!is_first && current.size() + 1 + word.size() > width) {
      to += current + '\n';
      current = std::string(indent == 0 ? 0 : indent + 2, ' ') + word;
      continue;
    }
    current += (is_first ? "" : " ") + word;
  }
  to += current + '\n';
}

} // namespace

std::string wrapped(const std::string& text, std::size_t width) {
  std::string out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    append_wrapped(out, line, width);
  // The result ends with a line end only if `text` does.
  if (!out.empty() && !text.ends_with('\n'))
    out.pop_back();
  return out;
}

// CLI11 appends the excluded options to the name, in the order of their
// addresses, which differs from run to run. make_option_desc adds them to the
// description instead.
std::string help_formatter::make_option_opts(const CLI::Option* option) const {
  const std::string options = Formatter::make_option_opts(option);
  return options.substr(0, options.find(" Excludes:"));
}

// CLI11 indents each line of a description by get_column_width() columns, so a
// line of a description has only the remaining columns.
std::string help_formatter::make_option_desc(const CLI::Option* option) const {
  std::string description = Formatter::make_option_desc(option);
  std::set<std::string> excluded;
  for (const CLI::Option* other : option->get_excludes())
    excluded.insert(other->get_name());
  for (const std::string& name : excluded)
    description += (name == *excluded.begin() ? " Not with " : " or ") + name;
  if (!excluded.empty())
    description += '.';
  return wrapped(description, line_width - get_column_width());
}

// Formatter::make_subcommand with a wrapped description.
std::string help_formatter::make_subcommand(const CLI::App* verb) const {
  std::ostringstream out;
  CLI::detail::format_help(
    out, verb->get_display_name(true),
    wrapped(verb->get_description(), line_width - get_column_width()),
    get_column_width());
  return out.str();
}

std::string help_formatter::make_description(const CLI::App* app) const {
  return wrapped(Formatter::make_description(app), line_width);
}

} // namespace perdura::client
