/// The verbs that start instances: `start` and `run`.
#pragma once

#include "client/cli/node_connection.hpp"
#include "client/cli/terminal.hpp"

#include <optional>
#include <string>

namespace perdura::client {

struct start_verb_options {
  std::string name;
  std::string instance_id;
  std::string version;
  std::string scheduled_at; ///< ISO 8601.
  std::string input;        ///< JSON, `@FILE`, or `-` for standard input.
  std::string binding;      ///< A file (or `-`) instead of name, ID and input.
  bool get_or_start = false;
  bool wait = false;
  bool follow = false;            ///< Print its history until it has ended.
  std::optional<double> time_out; ///< Seconds to wait; else for ever.
};

/// Prints the ID, or with `wait` how it ended; with `follow` the ID, each event
/// as it comes, and how it ended.
int start_verb(node_connection& node, const start_verb_options& options,
               output_format format, terminal& io);

/// Starts, waits, prints the result alone.
int run_verb(node_connection& node, const start_verb_options& options,
             output_format format, terminal& io);

/// A value of the command line: JSON, `@FILE` or `-`.
persistence::result<std::string> read_value(const std::string& text,
                                            terminal& io);

} // namespace perdura::client
