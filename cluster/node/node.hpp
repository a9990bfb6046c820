// SPDX-License-Identifier: Apache-2.0
/// A node: the part of a hub that one process serves. It has a journal,
/// partitions, activities, and connections to the other nodes.
#pragma once

#include <perdura/actors/activities/activity_load.hpp>
#include <perdura/actors/interface/partition_counters.hpp>
#include <perdura/cluster/node/node_config.hpp>
#include <perdura/cluster/node/readiness.hpp>
#include <perdura/cluster/transport/node_report.hpp>
#include <perdura/persistence/journal/journal_statistics.hpp>
#include <perdura/persistence/records/error.hpp>
#include <perdura/persistence/stores/storage_space.hpp>

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace perdura::actors {
class activity_context;
class registry;
class management_gateway;
struct management_payload;
} // namespace perdura::actors

namespace perdura::cluster {

/// Counters of a node since it began, summed over its partitions and the lanes
/// of its journal.
struct node_statistics : actors::partition_counters,
                         persistence::journal_statistics {
  std::uint64_t instances_live = 0; ///< Instances in memory now.
  /// The part of their size that node_config::idle_instance_bytes_max counts.
  std::uint64_t instances_live_bytes = 0;

  /// Recorded answers to requests with a request ID, and their size on disk.
  std::uint64_t request_keys = 0;
  std::uint64_t request_key_bytes = 0;

  /// Messages to other partitions that are not acknowledged yet.
  actors::outbox_figures outbox;

  persistence::storage_space storage; ///< The newest measurement.
  /// How long the oldest write to the disk has been in progress.
  std::chrono::steady_clock::duration sync_time{};

  actors::damage_figures damage;
  /// Instances in memory that cannot continue; see management_gateway::stuck.
  std::uint64_t instances_stuck = 0;
  /// Orchestrators that are paused by name in a partition of this node.
  std::uint64_t orchestrators_paused = 0;
  /// Trees of this node's instances whose termination has not reached all
  /// partitions.
  std::uint64_t trees_ending = 0;

  /// Turns of orchestrators that run now, and turns that wait because
  /// `scheduler_threads` of them run.
  std::uint64_t turns_running = 0;
  std::uint64_t turns_waiting = 0;

  /// The activities of this node by name, at most
  /// `actors::activity_names_max` entries, the one with the oldest run first.
  std::vector<actors::activity_load> activities;
};

/// One node of a hub. Life cycle: `open`, then the setters, then `begin`, then
/// `stop`. After `begin` all const functions are thread-safe.
class node {
public:
  /// Opens the data directory, or creates a hub in it if `create_hub` is set.
  /// `functions` holds the orchestrators and activities that this node can run;
  /// it must not change afterwards. The node runs nothing before `begin`.
  /// @error errc::invalid_argument  A setting is not valid, or the node list
  ///                                would move partitions.
  /// @error errc::storage_missing   There is no hub and `create_hub` is false.
  /// @error errc::storage_in_use    Another process uses the directory.
  /// @error errc::storage_format    The directory has another format.
  /// @error errc::storage_foreign   The directory belongs to another hub or
  ///                                another node.
  /// @error errc::storage_damaged   Stored data cannot be read.
  static persistence::result<std::unique_ptr<node>>
  open(node_config config, std::shared_ptr<const actors::registry> functions);

  /// Calls `stop`.
  ~node();

  node(const node&) = delete;
  node& operator=(const node&) = delete;

  /// Returns the management URLs of an instance. Activities and clients of this
  /// node get their URLs from this function; if no function is set, the URLs
  /// are empty, also if the function throws. Called on any thread.
  using payload_maker
    = std::function<actors::management_payload(const std::string& instance)>;

  /// Call before `begin`.
  void set_payload_maker(payload_maker make);

  /// Called before each attempt of an activity, on the thread that runs the
  /// activity. Meant for tracing and for tests. An exception is logged and
  /// counted; the attempt is made.
  using activity_observer
    = std::function<void(const actors::activity_context&)>;

  /// Call before `begin`.
  void set_activity_observer(activity_observer observe);

  /// Sets the URL of this node's HTTP server. The node sends the URL to other
  /// nodes and clients. Call before `begin`. If the URL is not set, other nodes
  /// and clients assume that this node has no HTTP server.
  void set_url(std::string url);

  /// Called when another node refuses this one, because this node used another
  /// data directory before. The node must then be stopped, but not by this
  /// callback: the callback runs on a thread of the node and must not block. An
  /// exception is logged and counted.
  using stop_listener = std::function<void(const persistence::error&)>;

  /// Call before `begin`.
  void set_stop_listener(stop_listener listener);

  /// Recovers all partitions and begins to connect to the other nodes. Returns
  /// when every partition of this node serves; other nodes may not be connected
  /// yet. Call once.
  /// @error errc::storage_damaged  The file `peers` cannot be read.
  /// @error errc::unavailable      The cluster port cannot be bound.
  /// @error the first error with which a partition fails to recover
  persistence::result<void> begin();

  /// Lets running activities end within `stop_patience`, and then requests
  /// their cancellation; refuses requests, makes everything durable, including
  /// the results of these activities, and closes the journal. Activities that
  /// have not begun, or were cancelled, run after the next start. The first
  /// call returns the names of the activities that have not ended, and
  /// "an orchestrator that never awaits" if a turn has not ended. Later calls
  /// do nothing and return an empty list. If the first call returns names, the
  /// process should end without running destructors, because threads with user
  /// code still run and may use objects of the program.
  std::vector<std::string> stop();

  /// The gateway to all instances of the hub. May outlive the node; after
  /// `stop` it answers errc::shutting_down.
  std::shared_ptr<actors::management_gateway> gateway() const;

  /// The settings that were passed to `open`. `task_hub` and `partition_count`
  /// have the values that are stored in the hub, and `scheduler_threads` is the
  /// number of threads that the node has.
  const node_config& config() const;

  /// The ID that is stored in the hub: 32 hex digits.
  const std::string& hub_id() const;

  /// Collects the counters of all partitions and of the journal. Blocks for at
  /// most two seconds; partitions that have not answered by then are left out.
  /// All values are 0 after `stop`.
  node_statistics statistics() const;

  /// The number of instances on this node alone; the index is the runtime
  /// status. Blocks.
  /// @error errc::shutting_down  The node stops or has stopped.
  persistence::result<std::array<std::uint64_t, 8>> own_counts() const;

  /// The report of each node that owns partitions. Blocks until all have
  /// answered, at most actors::query_time_max.
  std::vector<reported_node> reports() const;

  /// Blocks until every other node that owns partitions is connected; false if
  /// that takes longer than `time_out`.
  bool wait_for_peers(persistence::duration time_out) const;

  /// Blocks until this node is admitted; false if that takes longer than
  /// `time_out`. A node with a new data directory serves only after another
  /// node has admitted it. A node that needs no admission returns true at once.
  bool wait_until_admitted(persistence::duration time_out) const;

  /// Why this node does not serve, or serves only in part; empty if it is
  /// ready. Never blocks. The node is not ready before the end of `begin` and
  /// after `stop`, while it waits for its admission, if its disk is full or has
  /// not ended a write for `sync_time_max`, if orchestrators that do not await
  /// occupy all scheduler threads and no turn has begun for 5 seconds, and if
  /// activities occupy all their threads, others are queued, and none has begun
  /// or ended for 5 seconds.
  std::vector<unready_reason> unready_reasons() const;

  /// True if there is no such reason.
  bool is_ready() const {
    return unready_reasons().empty();
  }

private:
  node();
  class impl;
  std::unique_ptr<impl> impl_;
};

} // namespace perdura::cluster
