// SPDX-License-Identifier: Apache-2.0
/// The verbs that run a node: `dev` and `serve`.
#pragma once

#include "client/cli/config_verbs.hpp"
#include "client/cli/terminal.hpp"

namespace perdura::client {

/// The command line of `dev` and `serve`.
struct node_verb_options {
  /// If no data directory is set, `dev` uses a temporary one.
  configuration_flags configuration;
  /// Used only by `dev`: stop after the first result. The exit code then tells
  /// whether the orchestration completed.
  bool once = false;
  /// Used only by `serve`: run no orchestrator and no activity.
  bool paused = false;
};

/// Starts a node with the sample functions, runs HelloSequence, prints its
/// result, and keeps the node running until Ctrl-C. Creates the task hub if the
/// data directory has none.
int dev_verb(const node_verb_options& options, terminal& io);
/// Runs a node until a signal arrives or until the other nodes of the cluster
/// refuse it. If they refuse it, the exit code is exit_node_refused.
int serve_verb(const node_verb_options& options, terminal& io);

} // namespace perdura::client
