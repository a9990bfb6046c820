// SPDX-License-Identifier: Apache-2.0
/// Resource usage of this process.
#pragma once

namespace perdura::client {

/// User and system CPU time since the process started.
/// @source getrusage(2), RUSAGE_SELF.
double process_cpu_seconds();

} // namespace perdura::client
