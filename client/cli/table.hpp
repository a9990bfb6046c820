// SPDX-License-Identifier: Apache-2.0
/// Tables and aligned pairs for people.
///
/// On a terminal, a table fits the width: columns that can be missing are left
/// out, and long cells are cut with an ellipsis. Elsewhere, e.g. in a pipe,
/// each column is as wide as its widest cell, and nothing is cut or coloured.
/// Control characters are always replaced by `?`.
#pragma once

#include "client/cli/terminal.hpp"

#include <cstdint>
#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

namespace perdura::client {

/// How a column behaves if the terminal is too narrow for its table.
enum class column_kind : std::uint8_t {
  text,     ///< Cut after all columns of the kind `detail`.
  detail,   ///< Cut first.
  fixed,    ///< Cut last, e.g. a time.
  status,   ///< As `fixed`; shown in the colour of the status.
  optional, ///< Left out before any column is cut; else as `fixed`.
};

using table_rows = std::vector<std::vector<std::string>>;

/// Prints a table whose columns have these kinds; further columns are `text`.
/// The first row has the titles of the columns.
void print_table(terminal& io, const table_rows& rows,
                 const std::vector<column_kind>& kinds);

/// Prints a table without limits: nothing is cut or coloured.
void print_table(std::ostream& out, const table_rows& rows);

/// Prints each name and value on a line, with the values aligned. Nothing is
/// cut.
void print_pairs(std::ostream& out,
                 const std::vector<std::pair<std::string, std::string>>& pairs);

/// The text `shown`, which is all of `status` or its beginning, with the
/// sequences for the colour of the status of an instance or of the state of a
/// node: green for success, red for failure, yellow for an end or a stop by an
/// operator, blue for work. Any other status has no colour.
std::string colored_status(const std::string& status, const std::string& shown);

} // namespace perdura::client
