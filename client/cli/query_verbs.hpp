// SPDX-License-Identifier: Apache-2.0
/// The verbs that only read: `get`, `list`, `count`, `history`, `urls`.
#pragma once

#include "client/cli/instance_search.hpp"
#include "client/cli/node_connection.hpp"
#include "client/cli/table.hpp"
#include "client/cli/terminal.hpp"

#include <string>
#include <vector>

namespace perdura::client {

// The verbs send requests, print the result, and return the exit code of the
// process. An error is printed on the error stream; see fail in terminal.hpp.

/// Shows the status of an instance; `outputs` implies `history`.
int get_verb(node_connection& node, const std::string& id, bool history,
             bool outputs, output_format format, terminal& io);
/// Lists the instances that match, or those that cannot make progress. A table
/// has the newest `top` instances, the newest first; the other formats have the
/// order of the HTTP API, the oldest first, and so the oldest `top`.
int list_verb(node_connection& node, const list_verb_options& options,
              output_format format, terminal& io);
/// Counts instances by status. With a filter, the instances that match are read
/// page by page; otherwise the nodes have the counts.
int count_verb(node_connection& node, const filter_options& filter,
               bool partial, output_format format, terminal& io);
/// Shows the history of an instance with the results of its events.
int history_verb(node_connection& node, const std::string& id,
                 output_format format, terminal& io);
/// Shows the management URLs of an instance.
int urls_verb(node_connection& node, const std::string& id,
              output_format format, terminal& io);

/// Prints a status object of the HTTP API, as a table or as JSON. Inputs and
/// outputs are complete, unless `cuts_values` is set and `io` is a terminal.
void print_status(const std::string& status, output_format format, terminal& io,
                  bool cuts_values = false);

/// The titles and the cells of a table row for a history event and for an
/// instance. The argument is a JSON object of the HTTP API.
std::vector<std::string> history_titles();
std::vector<std::string> history_cells(std::string_view event);
std::vector<std::string> instance_titles();
std::vector<std::string> instance_cells(std::string_view instance);

/// Prints a table of instances with column titles.
void print_instances(terminal& io, const std::vector<std::string>& found);

/// Prints a line on the error stream if `partitions` (e.g. "3,7") is not empty.
void report_missing_partitions(const std::string& partitions, terminal& io);

} // namespace perdura::client
