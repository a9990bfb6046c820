// SPDX-License-Identifier: Apache-2.0
#include "client/cli/terminal.hpp"

#include "persistence/records/text.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <iostream>
#include <string_view>

namespace perdura::client {

namespace {

using persistence::errc;
using persistence::without_terminal_escapes;

/// The value of an environment variable; empty if it is not set.
std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

/// A number of columns or lines from the environment; 0 if the variable holds
/// no number.
std::size_t size_variable(const char* name) {
  const std::string_view text = variable(name);
  // A larger number is no size of a terminal.
  std::uint16_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data(), end, number);
  return failure == std::errc() && rest == end ? number : 0;
}

/// The size of the terminal with this descriptor.
screen_size size_of_terminal(int descriptor) {
  screen_size size;
  winsize known{};
  // A terminal without a known size reports 0.
  if (::ioctl(descriptor, TIOCGWINSZ, &known) == 0) {
    size.columns = known.ws_col == 0 ? size.columns : known.ws_col;
    size.lines = known.ws_row == 0 ? size.lines : known.ws_row;
  }
  if (const std::size_t columns = size_variable("COLUMNS"); columns != 0)
    size.columns = columns;
  if (const std::size_t lines = size_variable("LINES"); lines != 0)
    size.lines = lines;
  return size;
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

terminal standard_terminal() {
  const bool is_dumb = variable("TERM") == "dumb";
  const bool out_is_terminal = ::isatty(STDOUT_FILENO) == 1;
  terminal io{std::cin,
              std::cout,
              std::cerr,
              ::isatty(STDIN_FILENO) == 1,
              out_is_terminal && !is_dumb,
              ::isatty(STDERR_FILENO) == 1 && !is_dumb,
              STDOUT_FILENO};
  if (out_is_terminal)
    io.size = [] { return size_of_terminal(STDOUT_FILENO); };
  io.has_colors = out_is_terminal && !is_dumb && variable("NO_COLOR").empty();
  return io;
}

} // namespace perdura::client
