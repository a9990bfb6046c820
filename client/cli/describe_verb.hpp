// SPDX-License-Identifier: Apache-2.0
/// The verb `describe`: the tasks and events that an instance waits for.
#pragma once

#include "client/cli/node_connection.hpp"
#include "client/cli/terminal.hpp"

#include <string>

namespace perdura::client {

/// Shows the status of an instance, its open tasks, its waits, its unread
/// events, its children and the node that owns it. Returns the exit code.
int describe_verb(node_connection& node, const std::string& id,
                  output_format format, terminal& io);

} // namespace perdura::client
