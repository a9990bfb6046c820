// SPDX-License-Identifier: Apache-2.0
/// How many threads a process of a cluster may have, measured before it creates
/// its actor system.
#pragma once

#include <perdura/cluster/node/node_config.hpp>
#include <perdura/persistence/records/error.hpp>

#include <cstddef>

namespace perdura::cluster {

/// The number of scheduler threads for a node: the configured number (by
/// default, that of the cores and two more), or fewer if the system refuses so
/// many. Each of the other kinds of threads has at least one. A smaller number
/// is logged.
/// @error errc::unavailable  The system refuses even one of each kind.
persistence::result<std::size_t>
scheduler_threads_of(const node_config& config);

/// Checks that the system creates the threads of a client gateway.
/// @error errc::unavailable  It does not.
persistence::result<void> check_client_threads(const cluster_config& cluster);

} // namespace perdura::cluster
