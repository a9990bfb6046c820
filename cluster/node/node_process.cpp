// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/node_process.hpp"

#include "cluster/placement/node_list.hpp"
#include "cluster/scheduling/actor_scheduler.hpp"
#include "cluster/scheduling/run_queue.hpp"
#include "cluster/transport/caf_transport.hpp"
#include "persistence/records/clock.hpp"

#include <algorithm>
#include <thread>
#include <utility>

namespace perdura::cluster {

using namespace persistence;

namespace {

/// A process counts as stuck when no turn has begun for this time and turns
/// occupy all threads.
constexpr std::chrono::seconds stuck_time{5};

} // namespace

node_process::node_process(std::size_t threads,
                           std::unique_ptr<caf::actor_system_config> caf_config)
  : threads_(threads != 0
               ? threads
               : std::max(1U, std::thread::hardware_concurrency()) + 2),
    caf_config_(std::move(caf_config)) {
  install_coalescing_scheduler(*caf_config_, threads_);
  system_ = std::make_unique<caf::actor_system>(*caf_config_);
}

node_process::~node_process() {
  close_network();
  end();
}

void node_process::provide(actors::partition_dependencies& to) {
  to.clock = &system_clock();
  to.activities = activities_.get();
  to.turns = &turns_;
  to.alarms = &alarms_;
  to.may_block = run_queue::begin_blocking;
  to.has_blocked = run_queue::end_blocking;
}

void node_process::open_activities(
  actors::activity_pool_options options,
  actors::activity_pool_dependencies dependencies) {
  dependencies.clock = &system_clock();
  activities_ = std::make_unique<actors::activity_pool>(
    *system_, options, std::move(dependencies));
}

result<std::shared_ptr<transport>>
node_process::open_network(const cluster_config& cluster,
                           transport_listener listener) {
  if (cluster.is_alone())
    return std::shared_ptr<transport>();
  caf_transport_config network;
  auto listen = listen_address_of(cluster);
  auto nodes = parse_nodes(cluster.nodes);
  if (!listen || !nodes)
    return listen ? nodes.error() : listen.error();
  network.listen = *listen;
  network.tls = cluster.has_tls();
  // One connection for each pair of nodes: the node with the name that sorts
  // first connects to the other.
  for (const listed_node& each : *nodes)
    if (each.name > cluster.node)
      network.connect_to.push_back(each);
  auto opened
    = open_caf_transport(*system_, std::move(network), std::move(listener));
  if (!opened)
    return opened.error();
  transport_ = std::move(*opened);
  return transport_;
}

void node_process::close_network() {
  if (transport_)
    transport_->close();
  transport_.reset();
}

std::vector<std::string> node_process::end_activities(duration time_limit) {
  if (!activities_)
    return {};
  activities_->close();
  if (activities_->wait_idle(time_limit))
    return {};
  return activities_->running_names();
}

bool node_process::end_turns(duration time_limit) {
  return turns_.wait_idle(time_limit);
}

void node_process::end() {
  activities_.reset();
  system_.reset();
}

bool node_process::is_stuck() const {
  return turns_.is_stuck(threads_, system_clock().now(), stuck_time);
}

} // namespace perdura::cluster
