// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/thread_budget.hpp"

#include "persistence/process/logging.hpp"
#include "persistence/process/thread_start.hpp"

#include <algorithm>
#include <thread>

namespace perdura::cluster {

using namespace persistence;

namespace {

// The threads that every process with an actor system has besides those of the
// scheduler: the monitor of the run queue and CAF's clock.
constexpr std::size_t system_threads = 2;

// The threads of a node's scheduler that run no turns (node_process).
constexpr std::size_t scheduler_threads_reserved = 2;

// The event loop of the network, CAF's manager of connections, and that of TLS.
constexpr std::size_t network_threads = 3;

// The alarms, the notes, the monitor of the activities, two activities, the
// queries of other nodes, the retention, and two threads of the HTTP API.
constexpr std::size_t node_threads = 9;

/// Each node has a thread that probes its address.
std::size_t network_threads_of(const cluster_config& cluster) {
  return network_threads + cluster.nodes.size();
}

error refusal() {
  return {errc::unavailable, refused_threads_sentence("Perdura")};
}

} // namespace

result<std::size_t> scheduler_threads_of(const node_config& config) {
  const std::size_t wanted
    = config.scheduler_threads != 0
        ? config.scheduler_threads
        : std::max(1U, std::thread::hardware_concurrency()) + 2;
  const std::size_t others
    = system_threads + scheduler_threads_reserved + node_threads
      + (config.cluster.is_alone() ? 0 : network_threads_of(config.cluster));
  const std::size_t available = available_threads(wanted + others);
  if (available == wanted + others)
    return wanted;
  if (available <= others)
    return refusal();
  log(log_channel::cluster, log_level::warning,
      refused_threads_sentence("orchestrators") + " The node goes on with "
        + std::to_string(available - others) + " of " + std::to_string(wanted)
        + " scheduler threads.");
  return available - others;
}

result<void> check_client_threads(const cluster_config& cluster) {
  const std::size_t wanted
    = system_threads + network_threads_of(cluster)
      + std::max(1U, std::thread::hardware_concurrency());
  if (available_threads(wanted) < wanted)
    return refusal();
  return {};
}

} // namespace perdura::cluster
