// SPDX-License-Identifier: Apache-2.0
#include "client/cli/table.hpp"

#include "client/cli/text_width.hpp"
#include "persistence/records/text.hpp"

#include <algorithm>
#include <initializer_list>
#include <istream>
#include <ostream>
#include <string_view>

namespace perdura::client {

namespace {

using persistence::without_terminal_escapes;

// The blanks between two columns.
constexpr std::size_t gap = 2;
// A column that is cut keeps at least this width; less only if nothing else is
// left to cut.
constexpr std::size_t detail_width_min = 12;
constexpr std::size_t cut_width_min = 8;

struct sized_column {
  std::size_t index = 0; ///< In the rows of the caller.
  std::size_t width = 0;
  column_kind kind = column_kind::text;
};

std::size_t table_width(const std::vector<sized_column>& columns) {
  std::size_t sum = columns.empty() ? 0 : (columns.size() - 1) * gap;
  for (const sized_column& each : columns)
    sum += each.width;
  return sum;
}

/// Cuts the widest column of these kinds, column by column, until the table
/// fits or each of them has the least width.
void cut_columns(std::vector<sized_column>& columns, std::size_t columns_max,
                 std::initializer_list<column_kind> kinds,
                 std::size_t width_min) {
  for (std::size_t all = table_width(columns); all > columns_max; --all) {
    sized_column* widest = nullptr;
    for (sized_column& each : columns)
      if (std::find(kinds.begin(), kinds.end(), each.kind) != kinds.end()
          && each.width > width_min
          && (widest == nullptr || each.width > widest->width))
        widest = &each;
    if (widest == nullptr)
      return;
    --widest->width;
  }
}

/// Fits the columns into this width, if that is possible.
void fit_columns(std::vector<sized_column>& columns, std::size_t columns_max) {
  // No cell is shown wider than the terminal.
  for (sized_column& each : columns)
    each.width = std::min(each.width, columns_max);
  for (std::size_t i = columns.size();
       i-- > 0 && table_width(columns) > columns_max;)
    if (columns[i].kind == column_kind::optional)
      columns.erase(columns.begin() + static_cast<std::ptrdiff_t>(i));
  cut_columns(columns, columns_max, {column_kind::detail}, detail_width_min);
  cut_columns(columns, columns_max, {column_kind::text, column_kind::detail},
              cut_width_min);
  cut_columns(columns, columns_max,
              {column_kind::text, column_kind::detail, column_kind::fixed,
               column_kind::status},
              1);
  while (columns.size() > 1 && table_width(columns) > columns_max)
    columns.pop_back();
}

} // namespace

void print_table(terminal& io, const table_rows& rows,
                 const std::vector<column_kind>& kinds) {
  table_rows shown = rows;
  std::vector<sized_column> columns;
  for (auto& row : shown)
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (columns.size() <= i)
        columns.push_back(
          {i, 0, i < kinds.size() ? kinds[i] : column_kind::text});
      row[i] = without_terminal_escapes(row[i]);
      columns[i].width = std::max(columns[i].width, display_width(row[i]));
    }
  const std::size_t columns_max = io.size ? io.size().columns : 0;
  if (columns_max > 0)
    fit_columns(columns, columns_max);
  for (std::size_t r = 0; r < shown.size(); ++r) {
    std::string line;
    std::size_t blanks = 0; // Not written at the end of a line.
    for (const sized_column& column : columns) {
      const std::string whole
        = column.index < shown[r].size() ? shown[r][column.index] : "";
      const std::string cell
        = columns_max > 0 ? shortened(whole, column.width) : whole;
      const std::size_t width = display_width(cell);
      if (!cell.empty()) {
        line.append(blanks, ' ');
        blanks = 0;
        line += io.has_colors && r > 0 && column.kind == column_kind::status
                  ? colored_status(whole, cell)
                  : cell;
      }
      blanks += column.width - width + gap;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    io.out << line << '\n';
  }
}

void print_table(std::ostream& out, const table_rows& rows) {
  std::istream no_input(nullptr);
  terminal io{no_input, out, out};
  print_table(io, rows, {});
}

void print_pairs(
  std::ostream& out,
  const std::vector<std::pair<std::string, std::string>>& pairs) {
  table_rows rows;
  for (const auto& [name, value] : pairs)
    rows.push_back({name, value});
  print_table(out, rows);
}

std::string colored_status(const std::string& status,
                           const std::string& shown) {
  static constexpr std::pair<std::string_view, const char*> colors[] = {
    {"Completed", "32"},  {"up", "32"},       {"Failed", "31"},
    {"Damaged", "31"},    {"Held", "31"},     {"unreachable", "31"},
    {"Terminated", "33"}, {"Canceled", "33"}, {"Suspended", "33"},
    {"not ready", "33"},  {"Running", "34"},  {"ContinuedAsNew", "34"},
    {"Pending", "36"},
  };
  for (const auto& [name, color] : colors)
    if (status == name)
      return "\x1b[" + std::string(color) + 'm' + shown + "\x1b[0m";
  return shown;
}

} // namespace perdura::client
