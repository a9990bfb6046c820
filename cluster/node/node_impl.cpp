// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/node_impl.hpp"

#include "cluster/node/node_rules.hpp"
#include "cluster/placement/placement.hpp"
#include "persistence/process/sync_watch.hpp"
#include <perdura/persistence/records/time_arithmetic.hpp>

#include <utility>

namespace perdura::cluster {

using namespace persistence;

namespace {

// How long a stop waits for activities after it has requested their
// cancellation; not at all if `stop_patience` is 0.
constexpr std::chrono::seconds cancellation_time{1};

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

node::impl::impl(node_settings settings, std::unique_ptr<stall_watch> stalls,
                 std::unique_ptr<journal> store,
                 std::unique_ptr<caf::actor_system_config> caf_config)
  : stalls_(std::move(stalls)), parts_(std::make_unique<node_parts>()) {
  parts_->settings = std::move(settings);
  node_config& config = parts_->settings.config;
  // The setting compat = "seed" implies that events that no instance waits for
  // are discarded.
  config.external_events_discard |= config.compat_seed;
  // Called by the hub, which no caller uses after `stop`.
  parts_->settings.unready_reasons = [this] { return unready_reasons(); };
  parts_->settings.stuck_code = [this] {
    auto found = actors::stuck_activities(parts_->process->activities());
    for (auto& each : parts_->process->hung_turns())
      found.push_back(std::move(each));
    return found;
  };
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
// answer, so the network is opened last. A node that has restarted then waits
// for another node, so that callers of `begin` can use it.
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
  work.report_unread = [to = partitions.get()](actors::activity_unread item) {
    to->report_unread(std::move(item));
  };
  actors::activity_pool_options limits;
  limits.activities_max = config.activities_max;
  limits.unknown_fails = config.missing_activities_fail;
  process->open_guard(config.data_dir, limits);
  work.hold = [to = partitions.get()](const actors::activity_work_item& item,
                                      const std::string& why) {
    to->hold(item.partition, {item.instance, why});
  };
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
  hub->wait_for_first_answer();
  hub->begin_retention(process->system());
  serving_ = true;
  return {};
}

// The order matters, and stands only here:
// 1. No activity begins any more. Those that run may end within the patience;
//    their results become durable. Until then requests are served as before,
//    because an activity may use the gateway: its failure would become durable.
// 2. No request arrives any more, neither from this process nor from others.
// 3. No thread outside the node uses the hub any more.
// 4. Activities that still run are cancelled, and run again after the next
//    start. A cancelled one has only a short time, because it has already had
//    the whole patience.
// 5. The partitions take the results that have been sent to them. The router
//    and the partitions end, and with them the orchestrators.
// 6. The partitions end: a step that runs meanwhile uses the activities and the
//    journal. Then all actors are destroyed.
// 7. The journal is closed, because until here actors write to it.
// If user code still runs after 4 or 5, its objects must stay: 6 is left out,
// and the destructor keeps the parts (keep_for_user_code).
std::vector<std::string> node::impl::stop() {
  const std::lock_guard lock(stop_mutex_);
  if (std::exchange(stopped_, true))
    return {};
  auto& [settings, process, partitions, hub] = *parts_;
  const duration patience = bounded_wait(settings.config.stop_patience);
  stopping_ = true;
  serving_ = false;
  process->finish_activities(patience);
  hub->refuse_requests();
  hub->set_transport(nullptr);
  process->close_network();
  hub->detach();
  std::vector<std::string> left = process->end_activities(
    patience > duration::zero() ? cancellation_time : duration::zero());
  partitions->finish_batches();
  hub->end_actors();
  partitions->end();
  if (!process->end_turns(patience))
    left.emplace_back("an orchestrator that never awaits");
  user_code_runs_ = !left.empty();
  if (!user_code_runs_) {
    partitions->wait_for_end();
    partitions->release();
    hub->release();
    process->end(); // blocks until all actors have ended
  }
  hub->close_journal();
  process->note_clean_end();
  return left;
}

std::vector<actors::activity_load> node::impl::activities() const {
  return actors::loads_of(parts_->process->activities());
}

std::vector<unready_reason> node::impl::unready_reasons() const {
  readiness_facts facts;
  facts.is_stopping = stopping_;
  if (facts.is_stopping)
    return reasons_of(facts);
  facts.is_serving = serving_;
  // `begin` opens the hub before the node serves.
  facts.is_admitted = !facts.is_serving || parts_->hub->is_admitted();
  facts.storage = parts_->hub->storage();
  if (!facts.is_admitted)
    facts.why_not_admitted = parts_->hub->why_not_admitted();
  if (facts.is_serving)
    for (const auto& [id, damage] : parts_->partitions->damaged())
      facts.damaged_partitions.push_back(
        "partition " + std::to_string(index_of(id)) + ": " + damage.message);
  if (facts.is_serving)
    facts.agreeing_partitions = parts_->partitions->agreeing_count();
  facts.has_no_thread = parts_->process->is_stuck();
  facts.are_activities_blocked
    = actors::is_blocked(parts_->process->activities());
  facts.sync_time = sync_watch::of_process().longest();
  facts.sync_time_max = parts_->settings.config.disk_stall_time;
  return reasons_of(facts);
}

} // namespace perdura::cluster
