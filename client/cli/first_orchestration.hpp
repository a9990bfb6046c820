// SPDX-License-Identifier: Apache-2.0
/// The orchestration that `dev` runs on its new node.
#pragma once

#include "client/api/node_host.hpp"
#include "client/cli/terminal.hpp"

namespace perdura::client {

/// Runs HelloSequence through the HTTP API of the node, as a client would, and
/// prints its result. Blocks for at most 30 s. Returns the exit code of the
/// process.
int run_first_orchestration(node_host& host, terminal& io);

} // namespace perdura::client
