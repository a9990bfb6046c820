// SPDX-License-Identifier: Apache-2.0
/// Finds the verb that a caller of the command line probably meant.
#pragma once

#include "client/cli/terminal.hpp"

#include <CLI/App.hpp>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::client {

/// The name that differs least from `typed`: by at most a third of its letters,
/// where a letter that is missing, added or wrong counts one, and two letters
/// in the wrong order count one, too. Empty if there is none.
std::string nearest_name(std::string_view typed,
                         const std::vector<std::string>& names);

/// An error in the verbs of a command line.
struct verb_problem {
  /// The verb whose sub-verb is missing or unknown; the program itself if the
  /// first verb is.
  const CLI::App* parent = nullptr;
  /// The sub-verb that is not known. Empty if none was given.
  std::string typed;
};

/// Looks for a verb that is missing or unknown. `arguments` begin with the name
/// of the program. No value if the verbs are complete.
std::optional<verb_problem>
find_verb_problem(const CLI::App& app, std::span<const char* const> arguments);

/// Prints help, the version, or what is wrong with the command line. Returns
/// true if the caller asked for what is printed.
bool explain(const CLI::App& app, const CLI::ParseError& failure,
             std::span<const char* const> arguments, terminal& io);

/// A sentence for an unknown verb, e.g. `There is no verb "strat". Did you mean
/// "start"?`
std::string unknown_verb_text(const verb_problem& problem);

} // namespace perdura::client
