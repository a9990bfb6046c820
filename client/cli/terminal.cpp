#include "client/cli/terminal.hpp"

#include "persistence/records/steering_text.hpp"

#include <poll.h>

#include <algorithm>
#include <ostream>

namespace perdura::client {

namespace {

using persistence::errc;
using persistence::without_steering;

bool continues(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

/// Characters, not bytes.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
    text.begin(), text.end(), [](char c) { return !continues(c); }));
}

} // namespace

bool terminal::out_gone() const {
  if (!out)
    return true;
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
  case errc::unknown_outcome: // No answer: it may be done or not.
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
  default:
    return exit_usage;
  }
}

int fail(terminal& io, const persistence::error& failure) {
  io.err << "perdura: " << without_steering(failure.message) << std::endl;
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
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += without_steering(row[i]);
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
  std::size_t bytes = 0;
  for (std::size_t seen = 0; bytes < text.size(); ++bytes)
    if (!continues(text[bytes]) && seen++ == characters_max - 1)
      break;
  text.resize(bytes);
  return text + "…";
}

} // namespace perdura::client
