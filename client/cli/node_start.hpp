// SPDX-License-Identifier: Apache-2.0
/// The output of a node between its start and the moment at which it serves.
#pragma once

#include "client/cli/terminal.hpp"

namespace perdura::actors {
class registry;
} // namespace perdura::actors

namespace perdura::client {

class node_host;
class signal_watch;

/// Prints the addresses and the data directory of a node that serves. The last
/// line with text must be "Press Ctrl-C to stop.": node_supervisor waits for
/// it.
void print_banner(node_host& host, const actors::registry& functions,
                  bool temporary, terminal& io);

/// Waits up to one second for the other nodes of the cluster, so that the
/// cluster can usually be used when the banner appears. A node with a new data
/// directory waits longer: it serves only after another node has admitted it.
void wait_for_admission(node_host& host, signal_watch& signals, terminal& io);

} // namespace perdura::client
