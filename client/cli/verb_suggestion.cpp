// SPDX-License-Identifier: Apache-2.0
#include "client/cli/verb_suggestion.hpp"

#include "client/configuration/edit_distance.hpp"

#include <algorithm>

namespace perdura::client {

namespace {

/// The verbs below `app`, in the order in which they were added.
std::vector<const CLI::App*> verbs_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

/// The names of the verbs above this one, e.g. "perdura" for `cluster`.
std::string path_above(const CLI::App& verb) {
  std::string path;
  for (const CLI::App* each = verb.get_parent(); each != nullptr;
       each = each->get_parent())
    path = each->get_name() + (path.empty() ? "" : " " + path);
  return path;
}

/// True if the next argument is the value of this option.
bool takes_value(const CLI::App& app, const std::string& option) {
  if (option.find('=') != std::string::npos)
    return false;
  for (const CLI::App* each = &app; each != nullptr; each = each->get_parent())
    if (const CLI::Option* found = each->get_option_no_throw(option))
      return found->get_expected_max() > 0;
  return false;
}

} // namespace

std::string nearest_name(std::string_view typed,
                         const std::vector<std::string>& names) {
  // A longer word is no misspelt verb.
  constexpr std::size_t typed_max = 100;
  if (typed.size() > typed_max)
    return {};
  std::string nearest;
  std::size_t least = std::max<std::size_t>(1, typed.size() / 3) + 1;
  for (const std::string& each : names)
    if (const std::size_t distance = edit_distance(typed, each);
        distance < least) {
      least = distance;
      nearest = each;
    }
  return nearest;
}

std::optional<verb_problem>
find_verb_problem(const CLI::App& app, std::span<const char* const> arguments) {
  const CLI::App* at = &app;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string argument = arguments[i];
    if (argument.starts_with('-')) {
      i += takes_value(*at, argument) ? 1 : 0;
      continue;
    }
    const auto verbs = verbs_of(*at);
    const auto found
      = std::find_if(verbs.begin(), verbs.end(), [&](const CLI::App* each) {
          return each->check_name(argument);
        });
    if (found == verbs.end())
      return verb_problem{at, argument};
    at = *found;
    if (verbs_of(*at).empty())
      return std::nullopt;
  }
  return verb_problem{at, {}};
}

bool explain(const CLI::App& app, const CLI::ParseError& failure,
             std::span<const char* const> arguments, terminal& io) {
  // Help and version also arrive here, with exit code 0.
  const auto problem = find_verb_problem(app, arguments);
  if (failure.get_exit_code() == 0 || !problem)
    return app.exit(failure, io.out, io.err) == 0;
  if (problem->typed.empty())
    io.out << problem->parent->help(path_above(*problem->parent));
  else
    io.err << unknown_verb_text(*problem) << '\n';
  return false;
}

std::string unknown_verb_text(const verb_problem& problem) {
  std::vector<std::string> names;
  for (const CLI::App* each : verbs_of(*problem.parent)) {
    if (each->get_group().empty()) // A hidden verb.
      continue;
    names.push_back(each->get_name());
    for (const std::string& alias : each->get_aliases())
      names.push_back(alias);
  }
  std::string text = "There is no verb \"" + problem.typed + "\".";
  if (const std::string meant = nearest_name(problem.typed, names);
      !meant.empty())
    text += " Did you mean \"" + meant + "\"?";
  return text + " Run with --help for more information.";
}

} // namespace perdura::client
