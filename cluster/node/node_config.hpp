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

  /// Fail the calls of activities that the program does not have, with the
  /// failure type "unknown_activity". Default: false, which means that they
  /// wait until a program that has the activity is started; `stuck` lists the
  /// instances.
  bool missing_activities_fail = false;

  /// Finished instances are purged this long after their end. Default: 30 days;
  /// 0 keeps them for ever. An orchestrator's own retention takes precedence.
  persistence::duration retention = std::chrono::hours(24 * 30);

  /// The time between two searches for finished instances to purge. Default:
  /// 1 minute; at least 1 ms.
  persistence::duration retention_interval = std::chrono::minutes(1);

  /// If the wall clock of the machine is set by more than 5 s, purging follows
  /// the new time only after it has lasted this long, so that a clock that is
  /// wrong for a while deletes nothing. After a restart of the machine the time
  /// counts as new. Default: 1 hour; 0 or more.
  persistence::duration retention_step_delay = std::chrono::hours(1);

  /// The number of orchestrators that run at the same time, each on a thread. 0
  /// to 4096. Default: 0, which means the number of cores plus two. An
  /// orchestrator that never awaits occupies one thread for ever. Two further
  /// threads, which run no orchestrators, serve requests in any case.
  std::size_t scheduler_threads = 0;

  /// No orchestrator and no activity runs. Requests are answered; what they
  /// cause runs after a start without this setting. For repairs: instances
  /// whose code ends the process can be terminated. Default: false.
  bool paused = false;

  /// The maximum number of activities that run at the same time on this node,
  /// each on a thread of its own. Default: 64; at least 1. Further activities
  /// wait in a queue.
  std::size_t activities_max = 64;

  /// The number of idle instances that the node keeps in memory. The number is
  /// divided evenly between the node's partitions, and each partition keeps at
  /// least one instance. Default: 4096. An instance that is not in memory is
  /// loaded and replayed at its next message.
  std::size_t idle_instances_max = 4096;

  /// Bytes of unread events, results, open tasks and custom statuses of the
  /// instances in memory. Above it, idle instances leave memory whose part is
  /// greater than this size divided by `idle_instances_max`; so idle instances
  /// take at most twice this size. Divided evenly between the node's
  /// partitions. Default: 128 MiB; 0 or more.
  std::uint64_t idle_instance_bytes_max = 128U << 20;

  /// The largest number of answers that each partition records for requests
  /// with a request ID, and their size on disk. An answer is kept for 10 to 15
  /// minutes. At either bound, a request with a new request ID is refused with
  /// errc::overloaded. Defaults: 1,000,000 and 64 MiB; 0 or more.
  std::uint64_t request_keys_max = 1'000'000;
  std::uint64_t request_key_bytes_max = 64U << 20;

  /// An idle instance leaves memory after this time. Default: 30 s.
  persistence::duration idle_instance_time_max = std::chrono::seconds(30);

  /// The number of messages from one partition to another that are stored until
  /// the other one acknowledges them. At this number, a turn that would add
  /// more waits; nothing is lost. A single turn may exceed it by the number of
  /// its decisions. Default: 10,000; at least 1.
  std::size_t outbox_messages_max = 10'000;

  /// A message to an instance waits at most this long for the turn that it
  /// causes, so that message and turn are committed together. After this time
  /// the message is committed without the turn, and its sender gets the answer.
  /// Default: 20 ms; 0 or more.
  persistence::duration turn_wait_max = std::chrono::milliseconds(20);

  /// Bytes of storage above which new starts and events are refused with
  /// errc::storage_full. Default: 0, which means that only the free disk space
  /// limits them.
  std::uint64_t storage_bytes_max = 0;

  /// Space on the disk, in bytes, that is kept for results, completions and
  /// purges while starts and events are refused because the disk is full; at
  /// most a sixteenth of the disk, which counts as at least 8 MiB. Default:
  /// 64 MiB; 0 means that the free space of the disk is not checked.
  std::uint64_t disk_reserve = std::uint64_t{64} << 20U;

  /// A write to the disk that takes longer than this counts as stalled: the
  /// node logs a line and is not ready. Default: 5 s.
  persistence::duration disk_stall_time = std::chrono::seconds(5);

  /// Share of one core, in percent, that the slow check of all stored rows may
  /// use for each lane. Default: 1; 0 to 100, and 0 means no check.
  std::size_t scrub_percent = 1;

  /// `node::stop` waits for running activities at most this long before it
  /// requests their cancellation, and later for running turns at most this long
  /// again. Default: 10 s; 0 or more.
  persistence::duration stop_patience = std::chrono::seconds(10);

  /// The settings of the cluster. Default: a node without a cluster.
  cluster_config cluster;
};

} // namespace perdura::cluster
