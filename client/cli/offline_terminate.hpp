// SPDX-License-Identifier: Apache-2.0
/// `terminate --offline`: terminates an instance in a data directory that no
/// node uses, e.g. because its code ends the node.
#pragma once

#include "client/cli/control_verbs.hpp"
#include "client/cli/terminal.hpp"

#include <string>

namespace perdura::client {

/// Terminates the instance `options.target.id`, which must be named by its ID.
/// The termination is durable when the function returns. Messages to other
/// instances, such as that to the parent, are sent at the next start of the
/// node.
int terminate_offline(const std::string& data_dir,
                      const control_verb_options& options, terminal& io);

} // namespace perdura::client
