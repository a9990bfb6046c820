// SPDX-License-Identifier: Apache-2.0
/// `check`: checks a data directory for damage. No node may be using it.
#pragma once

#include "client/cli/terminal.hpp"
#include "persistence/journal/verify.hpp"

#include <string>

namespace perdura::client {

/// Reads every row and every journal record in a child process, because reading
/// damaged pages can end a process by a signal. Nothing is changed. Returns
/// exit code 1 if there is damage, and another code if the directory cannot be
/// read, e.g. because a node uses it.
int check_verb(const std::string& data_dir, terminal& io);

/// Prints what a verification has found. Returns exit_ok if there is no
/// problem, else exit_instance_failed.
int print_verification(const persistence::verification& found, terminal& io);

} // namespace perdura::client
