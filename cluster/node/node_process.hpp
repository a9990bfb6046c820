// SPDX-License-Identifier: Apache-2.0
/// The objects that a process has once, whatever hub it serves: the actor
/// system with its scheduler threads, the alarm clock, the activity threads and
/// the network.
#pragma once

#include "actors/activities/activity_pool.hpp"
#include "actors/execution/turn_watch.hpp"
#include "actors/execution/work_guard.hpp"
#include "actors/partition/partition_actor.hpp"
#include "actors/timing/alarm_clock.hpp"
#include "cluster/placement/cluster_config.hpp"
#include "cluster/transport/transport.hpp"

#include <cstddef>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace perdura::cluster {

/// The threads of the scheduler that run no turns, so that partitions, requests
/// and queries always have one. The second one is for an activity that blocks
/// while it runs on the scheduler's threads.
inline constexpr std::size_t reserved_threads = 2;

/// Owns the threads of a process and everything that runs on them. Knows
/// neither a journal nor a hub.
///
/// Life cycle: the constructor starts the scheduler and the alarm clock,
/// `open_activities` and `open_network` start the rest. The reverse order is
/// `finish_activities`, `close_network`, `end_activities`, `end_turns`, `end`.
/// Partitions, gateways and running user code keep pointers to the objects of a
/// process, so it must outlive them. If `end_activities` or `end_turns` reports
/// that user code still runs, the process must neither be ended nor destroyed.
///
/// Not thread-safe, except for `is_stuck` and `activities`. The objects that
/// the functions return are thread-safe.
class node_process {
public:
  /// Starts the scheduler with `threads` threads for turns (0 means the number
  /// of cores plus two) and `reserved_threads` more, which run no turns.
  /// `caf_config` already has the network modules (`prepare_network`) if the
  /// process is part of a cluster.
  node_process(std::size_t threads,
               std::unique_ptr<caf::actor_system_config> caf_config);

  /// Calls `close_network` and `end`.
  ~node_process();

  node_process(const node_process&) = delete;
  node_process& operator=(const node_process&) = delete;

  /// Exists until `end`.
  caf::actor_system& system() {
    return *system_;
  }

  /// Sets the objects of the process that a partition uses: the clock, the
  /// alarm clock, the activities, the watch over turns, and the rule by which a
  /// partition may block its scheduler thread. Call after `open_activities`.
  void provide(actors::partition_dependencies& to);

  /// Opens the notes in the data directory, and decides which code must not
  /// run. Without space for the notes, everything may run. Call once, before
  /// `open_activities`.
  void open_guard(const std::filesystem::path& data_dir,
                  const actors::activity_pool_options& activities);

  /// The process ends as it should.
  void note_clean_end();

  /// Turns that do not return; see work_guard::hung_turns.
  std::vector<std::pair<std::string, std::string>> hung_turns() const;

  /// Creates the activity pool. Call once, before the first partition recovers.
  /// The objects in `dependencies` must outlive the process's activities; the
  /// clock is set by this function.
  void open_activities(actors::activity_pool_options options,
                       actors::activity_pool_dependencies dependencies);

  /// Begins to listen and to connect. Returns null, and does nothing, without a
  /// cluster. The listener may be called before the function returns, on the
  /// threads of the network.
  /// @error errc::invalid_argument  The node list or the listening address is
  ///                                not valid.
  /// @error errc::unavailable       The cluster port cannot be bound.
  persistence::result<std::shared_ptr<transport>>
  open_network(const cluster_config& cluster, transport_listener listener);

  /// Closes all connections. The listener is not called any more. Does nothing
  /// if the network is not open.
  void close_network();

  /// From now on no activity begins. Waits at most `time_limit` until the
  /// results of the running ones have been sent to the partitions. Does nothing
  /// before `open_activities`.
  void finish_activities(persistence::duration time_limit);

  /// Requests the cancellation of the activities that still run, and waits at
  /// most `time_limit` for them; no result is delivered any more. Returns the
  /// names of the ones that still run then. Does nothing before
  /// `open_activities`.
  std::vector<std::string> end_activities(persistence::duration time_limit);

  /// Waits at most `time_limit` for running turns. Returns false if one still
  /// runs then. Call after `partition_set::end`: nothing else keeps
  /// further turns from beginning.
  bool end_turns(persistence::duration time_limit);

  /// Destroys the activity pool and the actor system; blocks until all actors
  /// have ended. Every reference to an actor must have been released. Only if
  /// no user code runs. Idempotent.
  void end();

  /// True if orchestrators that do not await occupy all threads for turns and
  /// no turn has begun for 5 seconds. Thread-safe, also after `end`.
  bool is_stuck() const;

  /// The turns that run, and those that wait for a thread. Thread-safe.
  const actors::turn_watch& turns() const {
    return turns_;
  }

  /// The activities that run and wait now; empty before `open_activities` and
  /// after `end`. Thread-safe.
  actors::activity_facts activities() const;

private:
  const std::size_t threads_; ///< Threads of the scheduler for turns.
  std::unique_ptr<actors::work_guard> guard_;
  actors::turn_watch turns_; ///< Turns that run now.
  // The destructor has called `end` before these members are destroyed.
  std::unique_ptr<caf::actor_system_config> caf_config_;
  std::unique_ptr<caf::actor_system> system_;
  actors::alarm_clock alarms_;
  mutable std::mutex activities_mutex_; ///< Guards the pointer below.
  std::unique_ptr<actors::activity_pool> activities_;
  std::shared_ptr<transport> transport_; ///< Null without a network.
};

} // namespace perdura::cluster
