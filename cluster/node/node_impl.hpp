// SPDX-License-Identifier: Apache-2.0
/// The parts of one node, and the order in which they start and stop. Only
/// node.cpp and node_impl.cpp include this header.
///
/// Keeps more than 10 project includes or 15 members: it still owns the parts
/// of the process, of the hub and of its partitions, which stop in one order.
#pragma once

#include "actors/activities/activity_pool.hpp"
#include "actors/execution/turn_watch.hpp"
#include "actors/timing/alarm_clock.hpp"
#include "cluster/node/hub_creation.hpp"
#include "cluster/node/node.hpp"
#include "cluster/node/retention_actor.hpp"
#include "cluster/placement/peer_register.hpp"
#include "cluster/routing/local_query_actor.hpp"
#include "cluster/routing/node_gateway.hpp"
#include "cluster/routing/router_actor.hpp"
#include "cluster/routing/scatter_gather_query.hpp"
#include "cluster/scheduling/actor_scheduler.hpp"
#include "cluster/transport/transport.hpp"
#include "persistence/journal/journal.hpp"
#include "persistence/records/clock.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

namespace perdura::cluster {

/// Owns the actor system with its threads, the journal, the partitions and the
/// transport of one node. Thread-safety is that of `node`.
class node::impl {
public:
  /// `store` is the open journal. `caf_config` already has the network modules
  /// if the node is part of a cluster. Starts the threads of the actor system;
  /// no partition runs before `begin`.
  impl(node_config config, std::shared_ptr<const actors::registry> functions,
       std::unique_ptr<persistence::journal> store,
       std::unique_ptr<caf::actor_system_config> caf_config)
    : config_(std::move(config)),
      functions_(std::move(functions)),
      journal_(std::move(store)),
      started_at_(persistence::system_clock().now()),
      caf_config_(std::move(caf_config)),
      view_(std::make_shared<cluster_view>(placement_of(journal_->hub()))) {
    // The setting compat = "seed" implies that events that no instance waits
    // for are discarded.
    config_.external_events_discard |= config_.compat_seed;
    threads_ = config_.scheduler_threads != 0
                 ? config_.scheduler_threads
                 : std::max(1U, std::thread::hardware_concurrency()) + 2;
    install_coalescing_scheduler(*caf_config_, threads_);
    system_ = std::make_unique<caf::actor_system>(*caf_config_);
    owned_ = view_->owners().owned_by(config_.cluster.node);
    create_gateway();
  }

  ~impl() {
    stop();
  }

  // The public functions implement those of `node`; see there.

  persistence::result<void> begin();
  std::vector<std::string> stop();

  /// All values are 0 once the node stops.
  node_statistics collect_statistics() const {
    const std::shared_lock lock(access_->mutex);
    return access_->node != nullptr ? statistics() : node_statistics{};
  }

  persistence::result<persistence::status_counts>
  count_local_instances() const {
    return query_journal<persistence::status_counts>(
      *access_, [](persistence::journal& source,
                   const std::vector<persistence::partition_id>& own) {
        return source.count(own);
      });
  }

  std::vector<reported_node> query_reports() const {
    return cluster_query_->reports();
  }

  std::vector<unready_reason> unready_reasons() const;

  /// False while the data directory is new and no other node has admitted this
  /// node. A node without a cluster, and the only node of a cluster, need no
  /// admission.
  bool is_admitted() const {
    return !peers_ || is_admitted_now_ || peers_->was_admitted()
           || view_->owners().nodes.size() == 1;
  }

  bool wait_for_peers(persistence::duration time_out) const {
    std::vector<node_id> missing;
    return view_->wait_for_all(config_.cluster.node, time_out, missing);
  }

  /// Only for a node with a cluster: `peers_` is null otherwise.
  bool wait_until_admitted(persistence::duration time_out) const {
    return peers_->wait_until_admitted(time_out);
  }

  // The members that the functions of `node` read, and that its setters change
  // before `begin`.
  node_config config_;
  std::shared_ptr<const actors::registry> functions_;
  std::unique_ptr<persistence::journal> journal_;
  std::string url_;
  node::payload_maker make_payload_;
  node::activity_observer observe_;
  node::stop_listener must_stop_;
  std::shared_ptr<node_gateway> gateway_;

private:
  /// The message of errc::shutting_down while the node stops and afterwards.
  static constexpr const char* stopping_sentence
    = "This node is stopping; try again when it is back.";

  /// Access to the node from callbacks that may outlive it. A callback locks
  /// `mutex` shared while it uses `node`. `stop` locks it exclusively to set
  /// `node` to null, and so waits for the callbacks that use the node.
  struct node_access {
    std::shared_mutex mutex;
    impl* node = nullptr;
  };

  /// Returns the result of `read`, which is called with the journal and the
  /// partitions of this node while `access` is locked.
  /// @error errc::shutting_down  The node stops or has stopped.
  template <class T, class Read>
  static persistence::result<T> query_journal(node_access& access,
                                              Read&& read) {
    std::shared_lock lock(access.mutex);
    if (access.node == nullptr)
      return persistence::error{persistence::errc::shutting_down,
                                stopping_sentence};
    return read(*access.node->journal_, access.node->owned_);
  }

  /// Runs a query over the partitions of this node; blocks. The query may come
  /// from this node or from another one.
  /// @error errc::shutting_down  The node stops or has stopped.
  /// @error errc::unavailable    The node is not admitted yet; only a
  ///                             report_query is answered before that.
  static persistence::result<node_query_answer>
  run_local_query(node_access& access, const node_query& query);

  void open_router();
  void create_gateway();
  persistence::result<void> begin_partitions();
  persistence::result<void> begin_network();
  void open_local_partitions();
  actors::partition_config
  partition_config_of(persistence::partition_id id) const;
  node_statistics statistics() const;
  node_report report() const;

  // Members are destroyed from the last to the first. The destructor has called
  // `stop` before that, so all actors have been released.
  const persistence::timestamp started_at_;
  std::size_t threads_ = 0; ///< Worker threads of the scheduler.
  std::unique_ptr<caf::actor_system_config> caf_config_;
  std::unique_ptr<caf::actor_system> system_;
  std::shared_ptr<cluster_view> view_;
  std::vector<persistence::partition_id>
    owned_;                  ///< The partitions of this node.
  actors::turn_watch watch_; ///< Turns that run now.
  std::unique_ptr<actors::alarm_clock> alarms_
    = std::make_unique<actors::alarm_clock>();
  std::unique_ptr<actors::activity_pool> pool_;
  std::unique_ptr<peer_register> peers_; ///< Null without a cluster.
  /// Another node has admitted this one since the start, also if this could not
  /// be recorded in `peers_`.
  std::atomic<bool> is_admitted_now_{false};
  std::shared_ptr<transport> transport_; ///< Null without a cluster.
  std::shared_ptr<scatter_gather_query> cluster_query_;
  std::shared_ptr<pending_requests> answers_; ///< Those of `gateway_`.

  // The actors. Each is null before it is spawned and after `stop`.
  router_control_actor router_;
  local_query_actor local_queries_;
  retention_actor retention_;
  std::vector<actors::partition_actor> partitions_; ///< Owned by this node.
  /// The index is the partition_id. Null for partitions of other nodes.
  std::vector<actors::partition_actor> by_id_;
  std::atomic<bool> serving_{false}; ///< From the end of `begin` to `stop`.
  std::shared_ptr<node_access> access_ = std::make_shared<node_access>();
  std::mutex stop_mutex_; ///< Held during `stop`: a second call waits.
  bool stopped_ = false;  ///< Guarded by `stop_mutex_`.
};

} // namespace perdura::cluster
