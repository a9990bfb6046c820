/// What this process has used of its machine.
#pragma once

namespace perdura::client {

/// User and system CPU time so far.
double process_cpu_seconds();

} // namespace perdura::client
