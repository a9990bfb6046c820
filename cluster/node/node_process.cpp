// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/node_process.hpp"

#include "cluster/placement/node_list.hpp"
#include "cluster/scheduling/actor_scheduler.hpp"
#include "cluster/scheduling/run_queue.hpp"
#include "cluster/transport/caf_transport.hpp"
#include "persistence/process/logging.hpp"
#include "persistence/process/process_counters.hpp"
#include "persistence/records/clock.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <thread>
#include <utility>

namespace perdura::cluster {

using namespace persistence;

namespace {

/// A process counts as stuck when no turn has begun for this time and turns
/// occupy all threads.
constexpr std::chrono::seconds stuck_time{5};

// A smaller step of the wall clock is not reported.
constexpr duration reported_step_min = std::chrono::seconds(5);

/// Logs and counts a step of the wall clock.
void note_wall_step(duration step) {
  if (step < reported_step_min && step > -reported_step_min)
    return;
  counters_of_process().wall_clock_steps.fetch_add(1);
  std::array<char, 32> seconds{};
  std::snprintf(seconds.data(), seconds.size(), "%.1f",
                std::abs(std::chrono::duration<double>(step).count()));
  log(log_channel::cluster, log_level::warning,
      std::string("The wall clock of this machine was set ")
        + (step > duration::zero() ? "forward" : "back") + " by "
        + seconds.data()
        + " s. Timers and time-outs with a delay are not affected; timers and "
          "starts for a time of day follow the new time; retention follows it "
          "after orchestrations.retention_step_delay.");
}

} // namespace

node_process::node_process(std::size_t threads,
                           std::unique_ptr<caf::actor_system_config> caf_config)
  : threads_(threads != 0
               ? threads
               : std::max(1U, std::thread::hardware_concurrency()) + 2),
    turns_(threads_),
    caf_config_(std::move(caf_config)),
    alarms_(system_clock(), note_wall_step) {
  install_coalescing_scheduler(*caf_config_, threads_ + reserved_threads);
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
  to.guard = guard_.get();
  to.alarms = &alarms_;
  to.may_block = run_queue::begin_blocking;
  to.has_blocked = run_queue::end_blocking;
}

void node_process::open_guard(const std::filesystem::path& data_dir,
                              const actors::activity_pool_options& activities) {
  // Each thread runs one piece of work at a time. The others are for faults.
  constexpr std::size_t slots_spare = 16;
  constexpr std::size_t slots_max = 4'096;
  auto notes = work_notes::open(
    data_dir, std::min(activities.activities_max + activities.given_up_max
                         + threads_ + reserved_threads + slots_spare,
                       slots_max));
  if (!notes)
    log(log_channel::cluster, log_level::warning,
        notes.error().message
          + ". Code that ends the process again and again will not be found.");
  guard_
    = std::make_unique<actors::work_guard>(notes ? std::move(*notes) : nullptr);
}

void node_process::note_clean_end() {
  if (guard_)
    guard_->note_clean_end();
}

std::vector<std::pair<std::string, std::string>>
node_process::hung_turns() const {
  return guard_ ? guard_->hung_turns()
                : std::vector<std::pair<std::string, std::string>>{};
}

void node_process::open_activities(
  actors::activity_pool_options options,
  actors::activity_pool_dependencies dependencies) {
  dependencies.clock = &system_clock();
  dependencies.guard = guard_.get();
  auto made = std::make_unique<actors::activity_pool>(*system_, options,
                                                      std::move(dependencies));
  const std::lock_guard lock(activities_mutex_);
  activities_ = std::move(made);
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

void node_process::finish_activities(duration time_limit) {
  if (!activities_)
    return;
  activities_->stop_starting();
  const auto running = activities_->running_names();
  if (!running.empty())
    log(log_channel::cluster, log_level::info,
        "the stop waits for " + std::to_string(running.size())
          + (running.size() == 1 ? " running activity" : " running activities")
          + ", such as " + running.front());
  static_cast<void>(activities_->wait_for_results(time_limit));
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
  std::unique_ptr<actors::activity_pool> ended;
  {
    const std::lock_guard lock(activities_mutex_);
    ended = std::move(activities_);
  }
  ended.reset();
  system_.reset();
}

actors::activity_facts node_process::activities() const {
  const std::lock_guard lock(activities_mutex_);
  return activities_ ? activities_->facts() : actors::activity_facts{};
}

bool node_process::is_stuck() const {
  return turns_.is_stuck(stuck_time);
}

} // namespace perdura::cluster
