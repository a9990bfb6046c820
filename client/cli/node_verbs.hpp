/// The verbs that are a node: `dev`, `serve`; and `hub create`.
#pragma once

#include "client/cli/config_verbs.hpp"
#include "client/cli/terminal.hpp"

namespace perdura::client {

struct node_verb_options {
  configuration_flags configuration; ///< `dev` without a directory: temporary.
  bool once = false; ///< Of `dev`: leave after the first result.
};

/// One node with the samples; runs a first orchestration and shows its result.
int dev_verb(const node_verb_options& options, terminal& io);
int serve_verb(const node_verb_options& options, terminal& io);
int hub_create_verb(const node_verb_options& options, terminal& io);

/// The store would only say that it finds no hub there.
/// @error errc::storage_failed  Permission denied.
persistence::result<void> check_access(const std::string& data_dir);

} // namespace perdura::client
