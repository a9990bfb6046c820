// SPDX-License-Identifier: Apache-2.0
#include "client/cli/terminal.hpp"

#include "persistence/records/text.hpp"

#include <poll.h>

#include <algorithm>
#include <ostream>

namespace perdura::client {

namespace {

using persistence::errc;
using persistence::without_terminal_escapes;

/// True for the second and later bytes of a UTF-8 character.
bool is_utf8_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

/// The number of characters, not bytes. A character that takes two columns on a
/// terminal counts as one, so cells with such characters are not aligned.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
    text.begin(), text.end(), [](char c) { return !is_utf8_continuation(c); }));
}

} // namespace

bool terminal::output_closed() const {
  if (!out)
    return true;
  // poll(2) reports the error of a pipe without a reader even if no event is
  // requested. With a time limit of 0, poll does not wait.
  pollfd reader{out_descriptor, 0, 0};
  return out_descriptor >= 0 && ::poll(&reader, 1, 0) == 1
         && (reader.revents & (POLLERR | POLLHUP)) != 0;
}

int exit_code_of(errc code) {
  switch (code) {
  case errc::ok:
    return exit_ok;
  case errc::not_found:
    return exit_not_found;
  case errc::timed_out:
  case errc::unknown_outcome: // The request may have been done.
    return exit_timed_out;
  case errc::unavailable:
  case errc::shutting_down:
  case errc::overloaded:
  case errc::storage_full:
  case errc::storage_failed:
  case errc::storage_damaged:
  case errc::storage_in_use:
  case errc::epoch_fenced:
  case errc::internal:
    return exit_unavailable;
  // The request itself is wrong, or the state of the instance does not allow
  // the request. The same request would fail again.
  default:
    return exit_usage;
  }
}

int fail(terminal& io, const persistence::error& failure) {
  io.err << "perdura: " << without_terminal_escapes(failure.message)
         << std::endl;
  return exit_code_of(failure.code);
}

void print_table(std::ostream& out,
                 const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (widths.size() <= i)
        widths.push_back(0);
      widths[i] = std::max(widths[i], width_of(row[i]));
    }
  // Two blanks separate the columns. Blanks at the end of a line, which come
  // from empty cells, are removed.
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += without_terminal_escapes(row[i]);
      if (i + 1 < row.size())
        line += std::string(widths[i] - width_of(row[i]) + 2, ' ');
    }
    while (line.ends_with(' '))
      line.pop_back();
    out << line << '\n';
  }
}

void print_pairs(
  std::ostream& out,
  const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, value] : pairs)
    rows.push_back({name, value});
  print_table(out, rows);
}

std::string shortened(std::string text, std::size_t characters_max) {
  if (width_of(text) <= characters_max)
    return text;
  // Find the byte at which the last character that fits begins; the ellipsis
  // takes its place.
  std::size_t bytes = 0;
  for (std::size_t seen = 0; bytes < text.size(); ++bytes)
    if (!is_utf8_continuation(text[bytes]) && seen++ == characters_max - 1)
      break;
  text.resize(bytes);
  return text + "…";
}

} // namespace perdura::client
