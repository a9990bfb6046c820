// SPDX-License-Identifier: Apache-2.0
#include "client/cli/verb_examples.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <string>

namespace perdura::client {

namespace {

/// The verb with this path, e.g. "config show".
/// @throws CLI::OptionNotFound  There is no such verb.
CLI::App* find_verb(CLI::App& app, std::string_view verb_path) {
  CLI::App* found = &app;
  while (!verb_path.empty()) {
    const std::size_t blank = std::min(verb_path.find(' '), verb_path.size());
    found = found->get_subcommand(std::string(verb_path.substr(0, blank)));
    verb_path.remove_prefix(std::min(blank + 1, verb_path.size()));
  }
  return found;
}

} // namespace

void add_examples(CLI::App& app) {
  for (const auto& [verb_path, example] : verb_examples)
    find_verb(app, verb_path)
      ->footer("Example: perdura " + std::string(verb_path)
               + std::string(example));
}

} // namespace perdura::client
