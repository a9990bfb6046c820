// SPDX-License-Identifier: Apache-2.0
/// The verbs that pause orchestrators by name: `pause`, `unpause`, `paused`.
#pragma once

#include "client/cli/node_connection.hpp"
#include "client/cli/terminal.hpp"

#include <string>

namespace perdura::client {

/// The command line of `pause` and `unpause`.
struct pause_verb_options {
  std::string name;   ///< The orchestrator's name.
  std::string reason; ///< Shown in the list. Empty means none.
  bool is_paused = true;
};

/// Pauses an orchestrator on all nodes, or lets it run again, and prints which
/// nodes have done it. Waits a few seconds for the nodes that can be reached; a
/// node that is away does it when it returns. The exit code is 4 if a node has
/// not done it yet.
int pause_verb(node_connection& node, const pause_verb_options& options,
               output_format format, terminal& io);

/// Lists the paused orchestrators.
int paused_verb(node_connection& node, output_format format, terminal& io);

} // namespace perdura::client
