/// The verbs that only look: `get`, `list`, `count`, `history`, `urls`.
#pragma once

#include "client/cli/node_connection.hpp"
#include "client/cli/terminal.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace perdura::client {

/// Which instances; empty members do not restrict.
struct filter_options {
  std::vector<std::string> statuses;
  std::string created_from;
  std::string created_to;
  std::string prefix;
  std::string name;

  /// Nothing is said: all there are.
  bool empty() const;
  query_parameters to_parameters() const;
};

struct list_verb_options {
  filter_options filter;
  std::size_t top = 100; ///< In all; 0: all there are.
  bool stuck = false;    ///< Those that cannot go on, and why.
  bool partial = false;  ///< Without what nodes that are away own.
};

int get_verb(node_connection& node, const std::string& id, bool history,
             bool outputs, output_format format, terminal& io);
int list_verb(node_connection& node, const list_verb_options& options,
              output_format format, terminal& io);
int count_verb(node_connection& node, bool partial, output_format format,
               terminal& io);
int history_verb(node_connection& node, const std::string& id,
                 output_format format, terminal& io);
int urls_verb(node_connection& node, const std::string& id,
              output_format format, terminal& io);

/// A status object of the HTTP API, for people or as it is.
void print_status(const std::string& status, output_format format,
                  terminal& io);

/// A row of a history, or of a list.
std::vector<std::string> history_cells(std::string_view event);
std::vector<std::string> instance_cells(std::string_view instance);

/// With a head.
void print_instances(std::ostream& out, const std::vector<std::string>& found);

struct found_instances {
  std::vector<std::string> instances;
  bool more = false;   ///< Than were asked for.
  std::string missing; ///< Partitions, "3,7"; empty: all were asked.
};

/// Those that match, page after page, at most `top`.
persistence::result<found_instances>
fetch_instances(node_connection& node, const list_verb_options& options,
                bool show_input);

/// A line on the error stream if there are such partitions, "3,7".
void say_missing(const std::string& partitions, terminal& io);

} // namespace perdura::client
