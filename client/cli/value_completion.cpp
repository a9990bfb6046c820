// SPDX-License-Identifier: Apache-2.0
#include "client/cli/value_completion.hpp"

#include "client/cli/instance_search.hpp"
#include "client/cli/json_view.hpp"
#include "client/cli/node_connection.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <utility>

namespace perdura::client {

namespace {

using names = std::vector<std::string>;

// A person waits for the values. Connecting and the answer have this time each.
constexpr auto answer_time_max = std::chrono::milliseconds(500);
// More values are no help.
constexpr std::size_t values_max = 200;

/// The words of a command line. The last word is empty after a blank.
names words_of(std::string_view line) {
  names words{{}};
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '\\' && quote != '\'' && i + 1 < line.size())
      words.back() += line[++i];
    else if (quote != 0 ? c == quote : c == '"' || c == '\'')
      quote = quote == 0 ? c : '\0';
    else if (quote == 0 && (c == ' ' || c == '\t'))
      words.emplace_back();
    else
      words.back() += c;
  }
  // Several blanks between two words.
  const std::string last = words.back();
  std::erase(words, "");
  if (last.empty())
    words.emplace_back();
  return words;
}

/// A command line up to its last word.
struct typed_line {
  const CLI::App* verb = nullptr;
  std::map<std::string, std::string> options; ///< The last value of each.
  std::size_t arguments = 0; ///< Words that are neither verbs nor options.
  std::string pending;       ///< The option whose value is the last word.
  std::string word;
};

/// Finds an option of the verb, or of a verb above it.
const CLI::Option* find_option(const CLI::App& verb, const std::string& name) {
  for (const CLI::App* each = &verb; each != nullptr; each = each->get_parent())
    if (const CLI::Option* found = each->get_option_no_throw(name))
      return found;
  return nullptr;
}

/// The verb with this name or alias directly below `parent`; null if there is
/// none.
const CLI::App* find_verb_below(const CLI::App& parent,
                                const std::string& name) {
  const auto found = parent.get_subcommands(
    [&](const CLI::App* each) { return each->check_name(name); });
  return found.empty() ? nullptr : found.front();
}

typed_line read_line(const CLI::App& app, std::string_view line) {
  typed_line read;
  read.verb = &app;
  names words = words_of(line);
  read.word = std::move(words.back());
  words.pop_back();
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string& each = words[i];
    if (!read.pending.empty()) {
      read.options[std::exchange(read.pending, {})] = each;
    } else if (each.starts_with('-')) {
      const std::size_t equals = each.find('=');
      const std::string name = each.substr(0, equals);
      const CLI::Option* option = find_option(*read.verb, name);
      if (equals != each.npos)
        read.options[name] = each.substr(equals + 1);
      else if (option != nullptr && option->get_items_expected_max() > 0)
        read.pending = name;
    } else if (const CLI::App* inner = find_verb_below(*read.verb, each)) {
      read.verb = inner;
    } else {
      ++read.arguments;
    }
  }
  return read;
}

/// The values of an option that has a fixed list.
const names& fixed_values(std::string_view option) {
  static const std::map<std::string_view, names> all{
    {"--status",
     {"Pending", "Running", "Suspended", "ContinuedAsNew", "Completed",
      "Failed", "Terminated", "Canceled"}},
    {"--output", {"table", "json", "jsonl"}},
    {"-o", {"table", "json", "jsonl"}},
    {"--log-level", {"debug", "info", "warning", "error", "off"}},
    {"shell", {"bash", "zsh", "fish"}},
  };
  static const names none;
  const auto found = all.find(option);
  return found == all.end() ? none : found->second;
}

bool names_an_orchestrator(std::string_view option, std::string_view verb) {
  static const std::set<std::string_view> verbs{
    "start", "run", "start-or-raise", "pause", "unpause"};
  return option == "--name" || (option == "name" && verbs.contains(verb));
}

/// The statuses of the instances that a verb can change.
names statuses_for(std::string_view verb) {
  const names live{"Pending", "Running", "ContinuedAsNew", "Suspended"};
  if (verb == "terminate" || verb == "raise-event" || verb == "start-or-raise")
    return live;
  if (verb == "suspend")
    return {"Pending", "Running", "ContinuedAsNew"};
  if (verb == "resume")
    return {"Suspended"};
  if (verb == "rewind")
    return {"Failed"};
  if (verb == "purge")
    return {"Completed", "Failed", "Terminated", "Canceled"};
  return {};
}

std::string option_or(const typed_line& line, const char* option,
                      std::string otherwise) {
  const auto found = line.options.find(option);
  return found == line.options.end() ? std::move(otherwise) : found->second;
}

/// The IDs that begin with `prefix` and that the verb can change.
names ids_of(node_connection& node, const std::string& verb,
             const std::string& prefix) {
  list_verb_options wanted;
  wanted.top = values_max;
  wanted.filter.prefix = prefix;
  wanted.filter.statuses = statuses_for(verb);
  wanted.partial = true;
  names found;
  if (const auto fetched = fetch_instances(node, wanted, false))
    for (const std::string& each : fetched->instances)
      found.push_back(json_text_member(each, "instanceId"));
  return found;
}

/// The names of the orchestrators that the nodes have registered.
names orchestrators_of(node_connection& node) {
  names found;
  const auto reply = node.call_site("GET", "/perdura/cluster");
  if (!reply)
    return found;
  for (const auto each :
       json_items(json_member(reply->body, "nodes").value_or("")))
    for (const auto name :
         json_items(json_member(each, "orchestrators").value_or("")))
      found.push_back(json_unquoted(name));
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

/// The positional argument of the verb in whose place the last word stands;
/// empty if the verb has no more.
std::string argument_name(const typed_line& line) {
  std::size_t index = 0;
  for (const CLI::Option* each : line.verb->get_options())
    if (each->get_positional() && index++ == line.arguments)
      return each->get_name(true);
  return {};
}

/// Keeps the values that begin with `prefix`.
names with_prefix(names values, const std::string& prefix) {
  std::erase_if(values, [&](const std::string& each) {
    return each.empty() || !each.starts_with(prefix);
  });
  return values;
}

/// The values from the node, for an option or an argument with this name.
names values_of_node(const typed_line& line, const std::string& option,
                     const std::string& prefix) {
  const std::string verb = line.verb->get_name();
  const bool is_id = option == "id" || option == "--prefix";
  if (!is_id && !names_an_orchestrator(option, verb))
    return {};
  const CLI::Option* url = find_option(*line.verb, "--url");
  const auto parsed
    = parse_url(option_or(line, "--url", url->as<std::string>()));
  auto key = read_key(option_or(line, "--key-file", {}));
  if (!parsed || !key)
    return {};
  node_access access;
  access.key = std::move(*key);
  access.http.ca_file = option_or(line, "--ca", {});
  access.response_time_max = answer_time_max;
  node_connection node(*parsed, std::move(access));
  return is_id ? ids_of(node, verb, prefix) : orchestrators_of(node);
}

} // namespace

std::vector<std::string> complete_values(const CLI::App& app,
                                         std::string_view line) {
  const typed_line read = read_line(app, line);
  std::string option = read.pending;
  std::string before; // The part of the word that is not the value.
  if (option.empty() && read.word.starts_with("--")) {
    const std::size_t equals = read.word.find('=');
    if (equals == read.word.npos)
      return {};
    option = read.word.substr(0, equals);
    before = read.word.substr(0, equals + 1);
  } else if (option.empty()) {
    option = argument_name(read);
  }
  if (option.empty() || read.word.starts_with('-') != !before.empty())
    return {};
  // Several statuses are separated by commas.
  const std::size_t comma
    = option == "--status" ? read.word.rfind(',') : std::string::npos;
  if (comma != std::string::npos)
    before = read.word.substr(0, comma + 1);
  const std::string prefix = read.word.substr(before.size());
  names values = with_prefix(fixed_values(option).empty()
                               ? values_of_node(read, option, prefix)
                               : fixed_values(option),
                             prefix);
  for (std::string& each : values)
    each.insert(0, before);
  return values;
}

bool has_completed_values(std::string_view option) {
  return !fixed_values(option).empty() || option == "--name"
         || option == "--prefix";
}

} // namespace perdura::client
