// SPDX-License-Identifier: Apache-2.0
/// The settings of a node, each with its meaning, unit, default and range. The
/// configuration file has the same settings (see configs/single-node.toml).
#pragma once

#include <perdura/cluster/placement/cluster_config.hpp>
#include <perdura/persistence/records/ids.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

namespace perdura::cluster {

/// The settings of a node. The program reads them from its configuration file,
/// its options and the environment; ranges are checked there, so a caller that
/// embeds a node must keep to them.
struct node_config {
  /// The directory of one hub: its journal and its views. Must be set. Created
  /// with mode 0700; only one process can use it at a time.
  std::filesystem::path data_dir;

  /// Create a hub if `data_dir` is missing or empty. Default: false, which
  /// means that such a directory is refused with errc::storage_missing.
  bool create_hub = false;

  /// The hub's ID, 32 hex digits (0-9, a-f). A new hub gets this ID; all nodes
  /// of a cluster must be given the same one. An existing hub is opened only if
  /// it has this ID. Default: empty; a new hub without a cluster gets a random
  /// ID, and any existing hub is opened.
  std::string hub_id;

  /// The hub's name, shown as `taskHub` in URLs. Default: "perdura". Used only
  /// when the hub is created; later the stored name applies.
  std::string task_hub = "perdura";

  /// The number of partitions over which instances are distributed. Default:
  /// 32; 1 to 4096. Used only when the hub is created; later the stored number
  /// applies. Each partition runs on one thread at a time, so the number limits
  /// the parallelism of the hub.
  std::uint32_t partition_count = 32;

  /// Behave as the Durable Functions documentation of 2018 states, also where
  /// the default behavior differs from it; the README lists the differences.
  /// Default: false.
  bool compat_seed = false;

  /// Discard external events that no instance waits for, instead of keeping
  /// them. Default: false; `compat_seed` implies true. An orchestrator's own
  /// policy takes precedence.
  bool external_events_discard = false;

  /// Fail an instance whose history does not match the orchestrator's code.
  /// Default: false, which means that the instance is held until matching code
  /// is registered.
  bool nondeterminism_fails = false;

  /// Finished instances are purged this long after their end. Default: 30 days;
  /// 0 keeps them for ever. An orchestrator's own retention takes precedence.
  persistence::duration retention = std::chrono::hours(24 * 30);

  /// The time between two searches for finished instances to purge. Default:
  /// 1 minute; at least 1 ms.
  persistence::duration retention_interval = std::chrono::minutes(1);

  /// The number of threads that run actors and orchestrators. 0 to 4096.
  /// Default: 0, which means the number of cores plus two. An orchestrator that
  /// never awaits occupies one thread; because of the two additional threads
  /// the node continues to run.
  std::size_t scheduler_threads = 0;

  /// The maximum number of activities that run at the same time on this node,
  /// each on a thread of its own. Default: 64; at least 1. Further activities
  /// wait in a queue.
  std::size_t activities_max = 64;

  /// The number of idle instances that the node keeps in memory. The number is
  /// divided evenly between the node's partitions, and each partition keeps at
  /// least one instance. Default: 4096. An instance that is not in memory is
  /// loaded and replayed at its next message.
  std::size_t idle_instances_max = 4096;

  /// An idle instance leaves memory after this time. Default: 30 s.
  persistence::duration idle_instance_time_max = std::chrono::seconds(30);

  /// A message to an instance waits at most this long for the turn that it
  /// causes, so that message and turn are committed together. After this time
  /// the message is committed without the turn, and its sender gets the answer.
  /// Default: 20 ms; 0 or more.
  persistence::duration turn_wait_max = std::chrono::milliseconds(20);

  /// Bytes of storage above which new starts and events are refused with
  /// errc::storage_full. Default: 0, which means that only the free disk space
  /// limits them.
  std::uint64_t storage_bytes_max = 0;

  /// `node::stop` waits for running activities at most this long, and then for
  /// running turns at most this long again. Default: 10 s; 0 or more.
  persistence::duration stop_patience = std::chrono::seconds(10);

  /// The settings of the cluster. Default: a node without a cluster.
  cluster_config cluster;
};

} // namespace perdura::cluster
