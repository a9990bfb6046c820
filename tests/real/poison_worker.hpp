// SPDX-License-Identifier: Apache-2.0
/// A node in a process of its own, with code that ends the process.
#pragma once

#include <string>
#include <vector>

namespace perdura::tests {

/// The main function of the process. Arguments: the data directory, and
/// "paused" for a node that runs nothing. Serves the samples and these
/// functions, whose input names a way to end the process (signal_kill,
/// null_pointer, abort, stack_overflow, terminate, exit) or is "none":
///   activity Dies, orchestrator CallsDies, which calls it; orchestrator
///   DiesInCode;
///   orchestrator Hangs, which never returns.
/// Prints "ready URL" and runs until SIGINT.
int run_poison_worker(const std::vector<std::string>& arguments);

} // namespace perdura::tests
