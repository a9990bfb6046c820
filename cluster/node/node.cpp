// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/node.hpp"

#include "cluster/node/hub_creation.hpp"
#include "cluster/node/node_impl.hpp"
#include "cluster/node/thread_budget.hpp"
#include "cluster/transport/caf_transport.hpp"
#include "persistence/journal/lmdb_journal.hpp"

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
  // Checks the identity of the hub before the journal is opened, so that a
  // directory of another hub or node is not changed.
  if (auto made = ensure_hub(config); !made)
    return made.error();
  lmdb_journal_options options;
  options.directory = config.data_dir;
  options.disk_limits.storage_bytes_max = config.storage_bytes_max;
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
  // CAF reads its configuration when the actor system is constructed, so the
  // network modules are added before that.
  auto system = std::make_unique<caf::actor_system_config>();
  if (!config.cluster.is_alone())
    if (auto ready = prepare_network(*system, config.cluster); !ready)
      return ready.error();
  std::unique_ptr<node> made(new node());
  made->impl_ = std::make_unique<impl>(std::move(config), std::move(functions),
                                       std::move(*store), std::move(system));
  return made;
}

void node::set_payload_maker(payload_maker make) {
  impl_->make_payload_ = std::move(make);
}

void node::set_activity_observer(activity_observer observe) {
  impl_->observe_ = std::move(observe);
}

void node::set_url(std::string url) {
  impl_->url_ = std::move(url);
}

void node::set_stop_listener(stop_listener listener) {
  impl_->must_stop_ = std::move(listener);
}

result<status_counts> node::own_counts() const {
  return impl_->count_local_instances();
}

std::vector<reported_node> node::reports() const {
  return impl_->query_reports();
}

result<void> node::begin() {
  return impl_->begin();
}

std::vector<std::string> node::stop() {
  return impl_->stop();
}

std::shared_ptr<actors::management_gateway> node::gateway() const {
  return impl_->gateway_;
}

const node_config& node::config() const {
  return impl_->config_;
}

const std::string& node::hub_id() const {
  return impl_->journal_->hub().hub_id;
}

node_statistics node::statistics() const {
  return impl_->collect_statistics();
}

bool node::wait_for_peers(duration time_out) const {
  return impl_->wait_for_peers(time_out);
}

bool node::wait_until_admitted(duration time_out) const {
  return impl_->is_admitted() || impl_->wait_until_admitted(time_out);
}

std::vector<unready_reason> node::unready_reasons() const {
  return impl_->unready_reasons();
}

} // namespace perdura::cluster
