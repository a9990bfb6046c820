// SPDX-License-Identifier: Apache-2.0
/// The verbs that only read: `get`, `list`, `count`, `history`, `urls`.
#pragma once

#include "client/cli/node_connection.hpp"
#include "client/cli/terminal.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace perdura::client {

/// Selects instances. An empty member does not restrict the selection.
struct filter_options {
  /// E.g. "Running". An instance matches if it has one of them.
  std::vector<std::string> statuses;
  std::string created_from; ///< ISO 8601, inclusive.
  std::string created_to;   ///< ISO 8601, inclusive.
  std::string prefix;       ///< The text with which the ID begins.
  std::string name;         ///< The name of the orchestrator.

  /// True if all instances are selected.
  bool empty() const;
  /// The parameters of the HTTP API's query.
  query_parameters to_parameters() const;
};

/// The command line of `list`.
struct list_verb_options {
  filter_options filter;
  std::size_t top = 100; ///< Maximum number of instances; 0 means all.
  bool stuck = false;    ///< List the instances that cannot make progress.
  /// Omit the instances of nodes that cannot be reached, instead of failing.
  bool partial = false;
};

// The verbs send requests, print the result, and return the exit code of the
// process. An error is printed on the error stream; see fail in terminal.hpp.

/// Shows the status of an instance; `outputs` implies `history`.
int get_verb(node_connection& node, const std::string& id, bool history,
             bool outputs, output_format format, terminal& io);
/// Lists the instances that match, or those that cannot make progress.
int list_verb(node_connection& node, const list_verb_options& options,
              output_format format, terminal& io);
/// Counts instances by status.
int count_verb(node_connection& node, bool partial, output_format format,
               terminal& io);
/// Shows the history of an instance with the results of its events.
int history_verb(node_connection& node, const std::string& id,
                 output_format format, terminal& io);
/// Shows the management URLs of an instance.
int urls_verb(node_connection& node, const std::string& id,
              output_format format, terminal& io);

/// Prints a status object of the HTTP API, as a table or as JSON.
void print_status(const std::string& status, output_format format,
                  terminal& io);

/// The cells of a table row for a history event and for an instance. The
/// argument is a JSON object of the HTTP API.
std::vector<std::string> history_cells(std::string_view event);
std::vector<std::string> instance_cells(std::string_view instance);

/// Prints a table of instances with column titles.
void print_instances(std::ostream& out, const std::vector<std::string>& found);

/// Instances as JSON objects of the HTTP API.
struct found_instances {
  std::vector<std::string> instances;
  bool more = false; ///< More instances match than were requested.
  /// The partitions that could not be read, e.g. "3,7". Empty if all were read.
  std::string missing;
};

/// Fetches at most `options.top` of the instances that match, page by page. If
/// `show_input` is false, the node omits the inputs, which can be large.
persistence::result<found_instances>
fetch_instances(node_connection& node, const list_verb_options& options,
                bool show_input);

/// Prints a line on the error stream if `partitions` (e.g. "3,7") is not empty.
void report_missing_partitions(const std::string& partitions, terminal& io);

} // namespace perdura::client
