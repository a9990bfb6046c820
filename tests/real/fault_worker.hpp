// SPDX-License-Identifier: Apache-2.0
/// A process in which one allocation of a chosen thread fails.
#pragma once

#include <string>
#include <vector>

namespace perdura::tests {

/// The main function of the process. The first argument selects what it runs:
///   node THREAD N DIRECTORY  a node under load. Prints "fatal SENTENCE" in the
///                            function `on_fatal`.
///   client THREAD N NODES…   a client of a cluster, under load. Prints
///                            "failed" if its gateway has failed; then it
///                            expects the permanent error of each kind of call,
///                            and connects again.
/// Prints "sound" at the end, if everything works.
int run_fault_worker(const std::vector<std::string>& arguments);

} // namespace perdura::tests
