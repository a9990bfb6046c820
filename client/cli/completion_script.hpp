// SPDX-License-Identifier: Apache-2.0
/// Writes the completion script that `completions` prints. The verbs and
/// options are read from the parser, so the script is always complete.
#pragma once

#include <cstdint>
#include <string>

namespace CLI {
class App;
} // namespace CLI

namespace perdura::client {

enum class shell_kind : std::uint8_t { bash, zsh, fish };

/// The script that completes the verbs and options of `app` in this shell. It
/// completes values with the hidden verb of value_completion.hpp.
std::string completion_script(const CLI::App& app, shell_kind shell);

} // namespace perdura::client
