/// `cluster status`: how each node is, in one page.
#pragma once

#include "client/cli/node_connection.hpp"
#include "client/cli/terminal.hpp"

namespace perdura::client {

/// `partitions`: which ones a node owns, not only how many. Exit code 4 if a
/// node is away.
int cluster_status_verb(node_connection& node, bool partitions,
                        output_format format, terminal& io);

} // namespace perdura::client
