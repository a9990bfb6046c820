// SPDX-License-Identifier: Apache-2.0
/// `cluster status`: shows the state of each node of a cluster.
#pragma once

#include "client/cli/node_connection.hpp"
#include "client/cli/terminal.hpp"

namespace perdura::client {

/// Shows one row for each node, and warnings below the table. If `partitions`
/// is true, a row lists the partitions that the node owns; otherwise it has
/// only their count. The JSON formats print the response of the node, without
/// warnings. Returns exit code 4 if a node of the cluster cannot be reached.
int cluster_status_verb(node_connection& node, bool partitions,
                        output_format format, terminal& io);

} // namespace perdura::client
