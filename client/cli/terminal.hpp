/// What a verb reads and writes, how it shows things, and how it ends.
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
  exit_ok = 0,
  exit_instance_failed = 1,
  exit_node_refused = 1, ///< Of `serve`: the other nodes will not have it.
  exit_usage = 2,        ///< Also: the request was refused.
  exit_not_found = 3,
  exit_unavailable = 4,
  exit_timed_out = 5,
  /// Ctrl-C ended what would have gone on: as a shell reports it, so that a
  /// script can tell it from an end.
  exit_interrupted = 130,
};

enum class output_format : std::uint8_t { table, json, jsonl };

struct terminal {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool can_ask = false;    ///< A person sits at `in`.
  bool can_redraw = false; ///< `out` is a screen.
  bool err_can_redraw = false;
  /// Behind `out`, to notice that its reader has left; -1: none.
  int out_descriptor = -1;

  /// Nobody reads what is written any more.
  bool out_gone() const;
};

/// What fits the error best.
int exit_code_of(persistence::errc code);

/// Says the sentence on the error stream; returns the exit code.
int fail(terminal& io, const persistence::error& failure);

/// Columns as wide as their widest cell; the first row is the head. Control
/// characters are shown as `?`.
void print_table(std::ostream& out,
                 const std::vector<std::vector<std::string>>& rows);

/// Name and value, a line each, values below each other.
void print_pairs(std::ostream& out,
                 const std::vector<std::pair<std::string, std::string>>& pairs);

/// At most so many characters; what is cut off is shown by an ellipsis.
std::string shortened(std::string text, std::size_t characters_max);

} // namespace perdura::client
