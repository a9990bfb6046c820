// SPDX-License-Identifier: Apache-2.0
#include "client/cli/text_width.hpp"

#include "client/cli/text_width_table.hpp"
#include "persistence/records/text.hpp"

#include <algorithm>
#include <span>

namespace perdura::client {

namespace {

bool contains(std::span<const code_point_range> ranges, char32_t code_point) {
  const auto after
    = std::upper_bound(ranges.begin(), ranges.end(), code_point,
                       [](char32_t wanted, const code_point_range& each) {
                         return wanted < each.first;
                       });
  return after != ranges.begin() && code_point <= std::prev(after)->last;
}

/// The character at the front of a text, and its columns.
struct shown_character {
  std::size_t bytes = 1;
  std::size_t columns = 1;
};

shown_character first_shown(std::string_view text) {
  const persistence::utf8_character next = persistence::first_character(text);
  if (next.size < 2) // ASCII, or a byte that is not well formed.
    return {};
  if (contains(characters_without_width, next.code_point))
    return {next.size, 0};
  return {next.size, contains(wide_characters, next.code_point) ? 2U : 1U};
}

} // namespace

std::size_t display_width(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const shown_character next = first_shown(text);
    columns += next.columns;
    text.remove_prefix(next.bytes);
  }
  return columns;
}

std::string shortened(std::string text, std::size_t columns_max) {
  // The end of the part that leaves one column for the ellipsis.
  std::size_t kept = 0;
  std::size_t columns = 0;
  for (std::size_t at = 0; at < text.size();) {
    const shown_character next = first_shown(std::string_view(text).substr(at));
    columns += next.columns;
    at += next.bytes;
    if (columns > columns_max) {
      text.resize(kept);
      return columns_max == 0 ? std::string() : text + "…";
    }
    if (columns < columns_max)
      kept = at;
  }
  return text;
}

} // namespace perdura::client
