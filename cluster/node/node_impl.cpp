// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/node_impl.hpp"

#include "cluster/node/node_rules.hpp"
#include "cluster/placement/placement.hpp"

#include <utility>

namespace perdura::cluster {

using namespace persistence;

namespace {

/// Owns the parts of a node that has stopped while user code was running: an
/// activity, or an orchestrator that never awaits. A thread cannot be ended
/// from outside, so such code may go on using any object of the node. The parts
/// are therefore never destroyed. This is the only place in which a node gives
/// up the destruction of its objects.
void keep_for_user_code(std::unique_ptr<node_parts> parts) {
  static std::mutex mutex;
  // The list itself is never destroyed either: the threads may outlive `main`.
  static auto* const kept = new std::vector<std::unique_ptr<node_parts>>();
  const std::lock_guard lock(mutex);
  kept->push_back(std::move(parts));
}

} // namespace

node::impl::impl(node_settings settings, std::unique_ptr<journal> store,
                 std::unique_ptr<caf::actor_system_config> caf_config)
  : parts_(std::make_unique<node_parts>()) {
  parts_->settings = std::move(settings);
  node_config& config = parts_->settings.config;
  // The setting compat = "seed" implies that events that no instance waits for
  // are discarded.
  config.external_events_discard |= config.compat_seed;
  parts_->process = std::make_unique<node_process>(config.scheduler_threads,
                                                   std::move(caf_config));
  parts_->partitions = std::make_unique<partition_set>(
    placement_of(store->hub()).owned_by(config.cluster.node),
    store->hub().partition_count);
  parts_->hub = std::make_unique<node_hub>(parts_->settings, std::move(store),
                                           *parts_->partitions);
}

node::impl::~impl() {
  stop();
  if (user_code_runs_)
    keep_for_user_code(std::move(parts_));
}

// The order matters: partitions send messages through the router and submit
// activities, so both exist first; the router knows all partitions before the
// first recovery begins; other nodes may connect only when all partitions can
// answer, so the network is opened last.
result<void> node::impl::begin() {
  auto& [settings, process, partitions, hub] = *parts_;
  const node_config& config = settings.config;
  if (auto opened = hub->open(process->system()); !opened)
    return opened;
  actors::activity_pool_dependencies work;
  hub->provide(work);
  // The lists of the set do not change between the start of the first activity
  // and the end of the last one.
  work.deliver = [to = partitions.get()](actors::activity_result result) {
    to->deliver(std::move(result));
  };
  actors::activity_pool_options limits;
  limits.activities_max = config.activities_max;
  process->open_activities(limits, std::move(work));
  actors::partition_dependencies dependencies;
  process->provide(dependencies);
  hub->provide(dependencies);
  partitions->spawn(
    process->system(),
    partition_config_of(config, partitions->owned().size(), settings.functions),
    dependencies);
  hub->connect_partitions();
  if (auto recovered = partitions->recover(); !recovered)
    return recovered;
  hub->serve_partitions();
  auto network = process->open_network(config.cluster, hub->network_listener());
  if (!network)
    return network.error();
  if (*network)
    hub->set_transport(std::move(*network));
  hub->begin_retention(process->system());
  serving_ = true;
  return {};
}

// The order matters, and stands only here:
// 1. No request arrives any more, neither from this process nor from others.
// 2. No thread outside the node uses the hub any more.
// 3. Activities end, while the partitions can still receive their results.
// 4. The router and the partitions end, and with them the orchestrators.
// 5. All actors are destroyed.
// 6. The journal is closed, because until here actors write to it.
// If user code still runs after 3 or 4, its objects must stay: 5 is left out,
// and the destructor keeps the parts (keep_for_user_code).
std::vector<std::string> node::impl::stop() {
  const std::lock_guard lock(stop_mutex_);
  if (std::exchange(stopped_, true))
    return {};
  auto& [settings, process, partitions, hub] = *parts_;
  const duration patience = settings.config.stop_patience;
  serving_ = false;
  hub->refuse_requests();
  hub->set_transport(nullptr);
  process->close_network();
  hub->detach();
  std::vector<std::string> left = process->end_activities(patience);
  hub->end_actors();
  partitions->end();
  if (!process->end_turns(patience))
    left.emplace_back("an orchestrator that never awaits");
  user_code_runs_ = !left.empty();
  if (!user_code_runs_) {
    partitions->release();
    hub->release();
    process->end(); // blocks until all actors have ended
  }
  hub->close_journal();
  return left;
}

bool node::impl::is_ready() const {
  return serving_ && parts_->hub->is_admitted() && !parts_->process->is_stuck();
}

} // namespace perdura::cluster
