// SPDX-License-Identifier: Apache-2.0
#include "client/cli/wait_failure.hpp"

#include "client/cli/terminal.hpp"
#include "persistence/records/text.hpp"

#include <algorithm>
#include <string_view>

namespace perdura::client {

using persistence::errc;
using persistence::error;

namespace {

/// The text as one word of a shell's command line.
std::string shell_word(const std::string& text) {
  constexpr std::string_view plain = "-_.,:/@+=%";
  const bool is_plain
    = !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
        return persistence::is_letter_or_digit(c)
               || plain.find(c) != plain.npos;
      });
  if (is_plain)
    return text;
  std::string word = "'";
  for (const char c : text)
    word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + '\'';
}

} // namespace

std::string wait_command(const std::string& id) {
  // After "--" an ID that begins with "-" is no option.
  return id.starts_with('-') ? "`perdura get --watch -- " + shell_word(id) + '`'
                             : "`perdura get " + shell_word(id) + " --watch`";
}

error wait_failure(const std::string& id, error failure, bool was_started) {
  if (failure.code == errc::not_found)
    return failure;
  failure.message += " Instance \"" + id
                     + (was_started ? "\" was started, and may still be running"
                                    : "\" may still be running")
                     + "; wait for its end with " + wait_command(id) + '.';
  if (was_started && exit_code_of(failure.code) == exit_unavailable)
    failure.code = errc::unknown_outcome;
  return failure;
}

error start_failure(const std::string& id, error failure) {
  if (exit_code_of(failure.code) != exit_timed_out)
    return failure;
  failure.message
    += id.empty()
         ? " If an instance was started, `perdura list --since 5m` shows it."
         : " If instance \"" + id + "\" was started, wait for its end with "
             + wait_command(id) + '.';
  return failure;
}

} // namespace perdura::client
