// SPDX-License-Identifier: Apache-2.0
/// The objects that belong to a hub, and not to the process that serves it: the
/// journal with the identity of the hub, the router, the gateway, the queries
/// over the instances, and their retention.
#pragma once

#include "cluster/node/node_admission.hpp"
#include "cluster/node/node_settings.hpp"
#include "cluster/node/partition_set.hpp"
#include "cluster/node/retention_actor.hpp"
#include "cluster/routing/local_query_actor.hpp"
#include "cluster/routing/node_gateway.hpp"
#include "cluster/routing/router_actor.hpp"
#include "cluster/routing/scatter_gather_query.hpp"
#include "cluster/transport/transport.hpp"
#include "persistence/journal/journal.hpp"

#include <memory>
#include <shared_mutex>
#include <string>
#include <vector>

namespace perdura::actors {
struct activity_pool_dependencies;
} // namespace perdura::actors

namespace perdura::cluster {

/// The part of one hub that this node serves. Has no threads of its own: its
/// actors run in the actor system that is passed to `open` and
/// `begin_retention`, which must outlive them.
///
/// Life cycle: `open`, `connect_partitions`, `serve_partitions`,
/// `set_transport`, `begin_retention`; then in this order `refuse_requests`,
/// `detach`, `end_actors`, `release`, `close_journal`. These functions are
/// called by one thread at a time. All other functions are thread-safe.
///
/// The gateway and the queries of other threads may outlive the hub. They reach
/// it through an object that `detach` clears; later calls are answered with
/// errc::shutting_down.
class node_hub {
public:
  /// `store` is the open journal. `partitions` are those of `settings` and of
  /// the journal's hub that this node owns; they need not be spawned yet. Both
  /// references must outlive the hub. The gateway exists from here on and
  /// refuses requests until `open`.
  node_hub(const node_settings& settings,
           std::unique_ptr<persistence::journal> store,
           const partition_set& partitions);

  /// Calls `detach`.
  ~node_hub();

  node_hub(const node_hub&) = delete;
  node_hub& operator=(const node_hub&) = delete;

  // --- Start -----------------------------------------------------------------

  /// Reads the file `peers`, if the node is part of a cluster, spawns the
  /// router, and lets the gateway accept requests.
  /// @error errc::storage_damaged  The file `peers` cannot be read.
  persistence::result<void> open(caf::actor_system& system);

  /// Sets the objects of the hub that a partition uses: the journal, the
  /// functions, the router and the answers to this node's gateway. Call after
  /// `open`.
  void provide(actors::partition_dependencies& to) const;

  /// Sets the objects of the hub that an activity uses: the functions, the
  /// gateway, the URLs and the observer.
  void provide(actors::activity_pool_dependencies& to) const;

  /// Tells the router where the spawned partitions are. Call before they
  /// recover: a recovered partition sends the messages in its outbox at once,
  /// also to partitions of this node.
  void connect_partitions();

  /// Gives the gateway direct access to the partitions of this node. If the
  /// node is not admitted yet, the gateway uses this access only after the
  /// admission. Call after all partitions have recovered.
  void serve_partitions();

  /// Callbacks that pass the events of the network to the router.
  transport_listener network_listener() const;

  /// Sets the transport of the router. Null means that no packet is sent.
  void set_transport(std::shared_ptr<transport> network);

  /// See node_admission::wait_for_first_answer. Call after `set_transport`.
  void wait_for_first_answer() const {
    if (admission_)
      admission_->wait_for_first_answer();
  }

  /// Spawns the actor that purges finished instances, if a rule of the settings
  /// or of an orchestrator ever purges one.
  void begin_retention(caf::actor_system& system);

  // --- Stop ------------------------------------------------------------------

  /// Answers pending and later requests of the gateway with
  /// errc::shutting_down.
  void refuse_requests();

  /// Waits for the callbacks that use the hub; later callbacks find none. Ends
  /// the retention. Idempotent.
  void detach();

  /// Tells the router and the query actor to end; does not wait. The router
  /// also releases its references to the partitions, which refer to it.
  void end_actors();

  /// Releases the references to the actors, so that they can be destroyed.
  void release();

  /// Commits the turns that are queued in the journal, and closes it. Call
  /// after the last partition has ended, or when only user code still runs.
  void close_journal();

  // --- For any thread --------------------------------------------------------

  /// The gateway; never null.
  const std::shared_ptr<node_gateway>& gateway() const {
    return gateway_;
  }

  /// The identity that is stored in the hub.
  const persistence::hub_identity& identity() const {
    return journal_->hub();
  }

  /// The number of instances on this node; the index is the runtime status.
  /// Blocks.
  /// @error errc::shutting_down  `detach` was called.
  persistence::result<persistence::status_counts> count_local_instances() const;

  /// The counters of the partitions and of the journal. Blocks for at most two
  /// seconds. All values are 0 after `detach`.
  node_statistics statistics() const;

  /// The report of each node that owns partitions; see `node::reports`.
  std::vector<reported_node> reports() const;

  /// False while this node may not serve; see node_admission. A node without a
  /// cluster needs no admission.
  bool is_admitted() const {
    return !admission_ || admission_->is_admitted();
  }

  /// Why `is_admitted` is false: a sentence.
  std::string why_not_admitted() const {
    return admission_ ? admission_->why_not() : std::string();
  }

  /// The newest measurement of the storage; does not wait for the disk.
  persistence::storage_space storage() const {
    return journal_->space();
  }

  /// Blocks until this node is admitted; false if that takes longer than
  /// `time_out`.
  bool wait_until_admitted(persistence::duration time_out) const {
    return !admission_ || admission_->wait(time_out);
  }

  /// See `node::wait_for_peers`.
  bool wait_for_peers(persistence::duration time_out) const;

private:
  /// Access to the hub from callbacks that may outlive it. A callback locks
  /// `mutex` shared while it uses `hub`. `detach` locks it exclusively to set
  /// `hub` to null, and so waits for the callbacks that use the hub.
  struct hub_access {
    std::shared_mutex mutex;
    node_hub* hub = nullptr;
  };

  template <class T, class Read>
  static persistence::result<T> query_journal(hub_access& access, Read&& read);
  static persistence::result<node_query_answer>
  run_local_query(hub_access& access, const node_query& query);
  node_report report() const;
  router_dependencies router_callbacks();
  void on_peer_connected(const peer_hello& hello);

  const node_settings& settings_;
  const std::unique_ptr<persistence::journal> journal_;
  const partition_set& partitions_;
  const persistence::timestamp started_at_;
  const std::shared_ptr<cluster_view> view_;
  std::unique_ptr<node_admission> admission_; ///< Null without a cluster.
  std::shared_ptr<pending_requests> answers_; ///< Those of `gateway_`.
  std::shared_ptr<scatter_gather_query> cluster_query_;
  std::shared_ptr<node_gateway> gateway_;

  // The actors. Each is null before it is spawned and after `release`.
  router_control_actor router_;
  local_query_actor local_queries_;
  retention_actor retention_;
  /// The wall clock of the retention; shared with the partitions.
  const std::shared_ptr<actors::settled_clock> settled_;
  const std::shared_ptr<hub_access> access_ = std::make_shared<hub_access>();
};

} // namespace perdura::cluster
