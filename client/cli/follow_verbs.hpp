// SPDX-License-Identifier: Apache-2.0
/// The verbs that keep printing changes: `get --watch`, `list --watch`,
/// `history --follow`, `start --follow`. They return `exit_interrupted` after
/// Ctrl-C, or when the reader of an output pipe has closed its end.
#pragma once

#include "client/cli/node_connection.hpp"
#include "client/cli/query_verbs.hpp"
#include "client/cli/signal_watch.hpp"
#include "client/cli/terminal.hpp"

#include <string>

namespace perdura::client {

/// Shows the status of an instance until the instance has ended. On a screen,
/// the table is redrawn at each change; otherwise each change is printed as one
/// line. Returns exit_ok if the instance has completed, exit_instance_failed if
/// it has ended in another way.
int watch_instance_verb(node_connection& node, const std::string& id,
                        output_format format, terminal& io);

/// Shows the instances that match, in the same way as watch_instance_verb,
/// until Ctrl-C.
int watch_list_verb(node_connection& node, const list_verb_options& options,
                    output_format format, terminal& io);

/// Prints the history of an instance and each new event until the instance has
/// ended. Returns the same exit codes as watch_instance_verb.
int follow_history_verb(node_connection& node, const std::string& id,
                        output_format format, terminal& io);

} // namespace perdura::client
