// SPDX-License-Identifier: Apache-2.0
/// The verbs that run a node, `dev` and `serve`, and the verb `hub create`.
#pragma once

#include "client/cli/config_verbs.hpp"
#include "client/cli/terminal.hpp"

namespace perdura::client {

/// The command line of `dev`, `serve` and `hub create`.
struct node_verb_options {
  /// If no data directory is set, `dev` uses a temporary one.
  configuration_flags configuration;
  /// Used only by `dev`: stop after the first result. The exit code then tells
  /// whether the orchestration completed.
  bool once = false;
};

/// Starts a node with the sample functions, runs HelloSequence, prints its
/// result, and keeps the node running until Ctrl-C. Creates the task hub if the
/// data directory has none.
int dev_verb(const node_verb_options& options, terminal& io);
/// Runs a node until a signal arrives or until the other nodes of the cluster
/// refuse it. If they refuse it, the exit code is exit_node_refused.
int serve_verb(const node_verb_options& options, terminal& io);
/// Creates a task hub in the data directory, and prints its identity.
int hub_create_verb(const node_verb_options& options, terminal& io);

/// Checks that this process may use the data directory. Without this check, a
/// directory that the process may not read would be reported as a directory
/// without a task hub.
/// @error errc::storage_failed  Permission is denied.
persistence::result<void> check_access(const std::string& data_dir);

} // namespace perdura::client
