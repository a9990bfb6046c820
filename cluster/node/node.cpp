// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/node.hpp"

#include "actors/interface/actor_faults.hpp"
#include "cluster/node/hub_creation.hpp"
#include "cluster/node/node_impl.hpp"
#include "cluster/node/thread_budget.hpp"
#include "cluster/scheduling/logger_release.hpp"
#include "cluster/transport/caf_transport.hpp"
#include "persistence/journal/lmdb_journal.hpp"
#include "persistence/process/sync_watch.hpp"

#include <utility>

namespace perdura::cluster {

using namespace persistence;

node::node() = default;
node::~node() = default;

result<std::unique_ptr<node>>
node::open(node_config config,
           std::shared_ptr<const actors::registry> functions) {
  if (config.data_dir.empty())
    return error{errc::invalid_argument,
                 "A node needs a data directory (data_dir)."};
  auto stalls = std::make_unique<stall_watch>(config.disk_stall_time);
  // Checks the identity of the hub before the journal is opened, so that a
  // directory of another hub or node is not changed.
  if (auto made = ensure_hub(config); !made)
    return made.error();
  lmdb_journal_options options;
  options.directory = config.data_dir;
  options.disk_limits.storage_bytes_max = config.storage_bytes_max;
  options.disk_limits.reserve_bytes = config.disk_reserve;
  options.scrub.cpu_share = static_cast<double>(config.scrub_percent) / 100;
  auto store = open_lmdb_journal(std::move(options));
  if (!store)
    return store.error();
  // From here on the values that are stored in the hub apply, not the
  // configured ones.
  config.task_hub = (*store)->hub().name;
  config.partition_count = (*store)->hub().partition_count;
  auto threads = scheduler_threads_of(config);
  if (!threads)
    return threads.error();
  config.scheduler_threads = *threads;
  const logger_release release;
  // CAF reads its configuration when the actor system is constructed, so the
  // network modules are added before that.
  auto system = std::make_unique<actors::guarded_system_config>();
  if (!config.cluster.is_alone())
    if (auto ready = prepare_network(*system, config.cluster); !ready)
      return ready.error();
  std::unique_ptr<node> made(new node());
  node_settings settings;
  settings.config = std::move(config);
  settings.functions = std::move(functions);
  made->impl_ = std::make_unique<impl>(std::move(settings), std::move(stalls),
                                       std::move(*store), std::move(system));
  return made;
}

void node::set_payload_maker(payload_maker make) {
  impl_->settings().make_payload = std::move(make);
}

void node::set_activity_observer(activity_observer observe) {
  impl_->settings().observe = std::move(observe);
}

void node::set_url(std::string url) {
  impl_->settings().url = std::move(url);
}

void node::set_stop_listener(stop_listener listener) {
  impl_->settings().must_stop = std::move(listener);
}

result<status_counts> node::own_counts() const {
  return impl_->hub().count_local_instances();
}

std::vector<reported_node> node::reports() const {
  return impl_->hub().reports();
}

result<void> node::begin() {
  const logger_release release;
  return impl_->begin();
}

std::vector<std::string> node::stop() {
  return impl_->stop();
}

std::shared_ptr<actors::management_gateway> node::gateway() const {
  return impl_->hub().gateway();
}

const node_config& node::config() const {
  return impl_->settings().config;
}

const std::string& node::hub_id() const {
  return impl_->hub().identity().hub_id;
}

node_statistics node::statistics() const {
  node_statistics now = impl_->hub().statistics();
  now.sync_time = sync_watch::of_process().longest();
  now.activities = impl_->activities();
  now.turns_running = impl_->turns().running();
  now.turns_waiting = impl_->turns().waiting();
  return now;
}

bool node::wait_for_peers(duration time_out) const {
  return impl_->hub().wait_for_peers(time_out);
}

bool node::wait_until_admitted(duration time_out) const {
  return impl_->hub().wait_until_admitted(time_out);
}

std::vector<unready_reason> node::unready_reasons() const {
  return impl_->unready_reasons();
}

} // namespace perdura::cluster
