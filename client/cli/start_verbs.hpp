// SPDX-License-Identifier: Apache-2.0
/// The verbs that start instances: `start`, `run` and `start-or-raise`.
#pragma once

#include "client/cli/node_connection.hpp"
#include "client/cli/terminal.hpp"
#include <perdura/actors/authoring/payload.hpp>

#include <cstddef>
#include <optional>
#include <string>

namespace perdura::client {

/// The command line of `start`, `run` and `start-or-raise`.
struct start_verb_options {
  std::string name;         ///< The orchestrator. Empty if `binding` is set.
  std::string instance_id;  ///< Empty means that the node generates one.
  std::string version;      ///< Empty means the newest version.
  std::string scheduled_at; ///< ISO 8601. Empty means immediately.
  std::string input;        ///< JSON, `@FILE`, or `-` for standard input.
  std::string event;        ///< Only for `start-or-raise`.
  std::string data;         ///< As `input`, for the event.
  /// A JSON file that holds the names, IDs and inputs of the instances, or `-`
  /// for standard input. Empty means that the members above apply.
  std::string binding;
  /// Use an instance that has this ID and has not ended, if there is one.
  bool get_or_start = false;
  bool wait = false;   ///< Print the status when the instance has ended.
  bool follow = false; ///< Print the history until the instance has ended.
  /// Seconds to wait for the end of the instance, 0 to 1e9. Without a value the
  /// wait has no limit.
  std::optional<double> time_out;
};

/// Starts an instance and prints its ID. With `wait`, prints the final status
/// instead. With `follow`, also prints each event of the history and the final
/// status.
int start_verb(node_connection& node, const start_verb_options& options,
               output_format format, terminal& io);

/// Starts an instance, waits for its end, and prints only its output. Returns
/// exit_instance_failed if the instance did not complete.
int run_verb(node_connection& node, const start_verb_options& options,
             output_format format, terminal& io);

/// Sends an event to an instance, which is started if it is not live. Prints
/// the ID and which of both happened.
int start_or_raise_verb(node_connection& node,
                        const start_verb_options& options, output_format format,
                        terminal& io);

/// Reads a value of the command line: JSON text, `@FILE` for the content of a
/// file, or `-` for standard input. The text is not checked; the node refuses
/// text that is not JSON. A file or a stream that has more than `bytes_max`
/// bytes is not read to its end, because a pipe or a device may have none.
/// @error errc::invalid_argument   The file cannot be read.
/// @error errc::payload_too_large  More than `bytes_max` bytes. The default is
///                                 the maximum that a node accepts.
persistence::result<std::string>
read_value(const std::string& text, terminal& io,
           std::size_t bytes_max = actors::payload_bytes_max);

} // namespace perdura::client
