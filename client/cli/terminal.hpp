// SPDX-License-Identifier: Apache-2.0
/// The input and output of a verb, its output formats, and its exit codes.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::client {

/// The process's exit code.
enum exit_code : int {
  exit_ok
  = 0, ///< The verb succeeded; an instance that it waited for completed.
  /// The instance ended, but did not complete; `check` found damage; `bench`
  /// found a regression or failed requests.
  exit_instance_failed = 1,
  exit_node_refused = 1, ///< `serve`: the other nodes refuse this node.
  exit_usage = 2,        ///< Wrong arguments, or the node refused the request.
  exit_not_found = 3,    ///< There is no such instance.
  exit_unavailable = 4,  ///< No node can serve the request now.
  exit_timed_out = 5,    ///< No result in time; the request may have been done.
  /// Ctrl-C ended the verb early. A shell reports the same code for a program
  /// that is ended by SIGINT.
  exit_interrupted = 130,
};

/// How results are printed: as a table for people; as indented JSON; or, with
/// `jsonl`, as JSON with one value per line, for scripts.
enum class output_format : std::uint8_t { table, json, jsonl };

/// The standard streams of the process, or their replacements in a test. The
/// streams must outlive the verb that uses them. Not thread-safe.
struct terminal {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool can_ask = false;        ///< `in` is a terminal: questions are possible.
  bool can_redraw = false;     ///< `out` is a terminal.
  bool err_can_redraw = false; ///< `err` is a terminal.
  /// The descriptor of `out`, with which output_closed detects that a pipe has
  /// no reader. -1 means that `out` has no descriptor.
  int out_descriptor = -1;

  /// True if `out` has failed, or if its reader has closed the pipe.
  bool output_closed() const;
};

/// The exit code for an error code. Codes that concern the request itself, e.g.
/// errc::already_exists, give exit_usage.
int exit_code_of(persistence::errc code);

/// Prints the error's message on the error stream; returns the exit code.
/// Control characters are replaced by `?`, because a message can contain text
/// from a node or a user.
int fail(terminal& io, const persistence::error& failure);

/// Prints a table; each column is as wide as its widest cell. The first row
/// usually has the column titles. Control characters are replaced by `?`.
void print_table(std::ostream& out,
                 const std::vector<std::vector<std::string>>& rows);

/// Prints each name and value on a line, with the values aligned.
void print_pairs(std::ostream& out,
                 const std::vector<std::pair<std::string, std::string>>& pairs);

/// The text with at most `characters_max` characters (not bytes). If it is
/// longer, it is cut, and its last character is an ellipsis.
std::string shortened(std::string text, std::size_t characters_max);

} // namespace perdura::client
