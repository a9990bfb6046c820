// SPDX-License-Identifier: Apache-2.0
/// The input and output of a verb, its output formats, and its exit codes.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>

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

/// The size of a terminal, in columns and lines.
struct screen_size {
  std::size_t columns = 80;
  std::size_t lines = 24;
};

/// The standard streams of the process, or their replacements in a test. The
/// streams must outlive the verb that uses them. Not thread-safe.
struct terminal {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool can_ask = false; ///< `in` is a terminal: questions are possible.
  /// `out` is a terminal that can move its cursor and be erased.
  bool can_redraw = false;
  bool err_can_redraw = false; ///< The same for `err`.
  /// The descriptor of `out`, with which output_closed detects that a pipe has
  /// no reader. -1 means that `out` has no descriptor.
  int out_descriptor = -1;
  /// Returns the size of the terminal `out`, which can change at any time. Null
  /// if `out` is no terminal: then no text is cut.
  std::function<screen_size()> size = {};
  bool has_colors = false; ///< `out` is a terminal that shows colours.

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

/// The standard streams of the process. Reads the environment:
/// - COLUMNS and LINES, if they are set, are the size of the terminal;
/// - a TERM of "dumb" means a terminal that cannot be redrawn and has no
///   colours;
/// - a NO_COLOR that is not empty means no colours.
/// @source https://no-color.org
terminal standard_terminal();

} // namespace perdura::client
