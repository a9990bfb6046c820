/// What `completions` prints: a shell's script with all verbs and options,
/// read off the parser itself, so that it knows what the parser knows.
#pragma once

#include <cstdint>
#include <string>

namespace CLI {
class App;
} // namespace CLI

namespace perdura::client {

enum class shell_kind : std::uint8_t { bash, zsh, fish };

std::string completion_script(const CLI::App& app, shell_kind shell);

} // namespace perdura::client
