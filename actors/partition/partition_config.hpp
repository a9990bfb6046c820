// SPDX-License-Identifier: Apache-2.0
/// The limits of an instance and the settings of a partition.
#pragma once

#include "actors/execution/history_size.hpp"
#include "persistence/records/error.hpp"
#include "persistence/records/history_event.hpp"
#include "persistence/records/ids.hpp"

#include <functional>
#include <string>

namespace perdura::actors {

using persistence::duration;
using persistence::event_index;
using persistence::instance_id;
using persistence::partition_id;
using persistence::result;

/// Limits of one instance. If a limit is exceeded, the message of the error or
/// failure contains its name. Events and results that no turn has consumed
/// count as buffered.
inline constexpr std::size_t buffered_events_max = 10'000;
inline constexpr std::size_t buffered_bytes_max = 16U << 20;

/// Maximum number of activities that the executions of an instance may leave
/// behind when they continue as new, until they have run.
inline constexpr std::size_t left_activities_max = 1'000;

/// The part of the history limits that requests from outside (suspend, resume
/// and rewind) leave to the code, so that the instance can go on and end.
inline constexpr event_index history_events_reserved = 2'000;
inline constexpr std::uint64_t history_bytes_reserved = 4U << 20;

/// Maximum number of ancestors of a sub-orchestration. It ends a
/// sub-orchestration that starts itself without end.
inline constexpr std::uint32_t child_depth_max = 64;

/// Settings of one partition; constant while it serves.
struct partition_config {
  partition_id id{};
  std::uint32_t partition_count = 32; ///< Partitions of the task hub.
  /// The name of the node; empty for a node without a cluster.
  std::string node;

  /// Maps an instance ID and the partition count to a partition. The hub
  /// fixes the mapping when it is created. Must not be null.
  partition_id (*partition_of)(const instance_id&, std::uint32_t) = nullptr;

  /// Returns the version that a start uses: `version`, or the default version
  /// of `name` if `version` is empty. Must not be empty.
  /// @error errc::unknown_orchestrator  The name or the version is unknown.
  std::function<result<std::string>(const std::string& name,
                                    const std::string& version)>
    resolve;

  /// Returns true if the orchestrator discards events that no open wait
  /// matches, and false if it buffers them. Must not be empty.
  std::function<bool(const std::string& name)> discards_events;

  /// Returns true if this program has the activity, or if a call of one that it
  /// does not have fails. Otherwise such a call waits until a program that has
  /// the activity is started, and the instance is listed as held. Empty means
  /// that it has all activities.
  std::function<bool(const std::string& name)> has_activity;

  /// If true, an instance whose code does not match its history fails. If
  /// false, the instance is held until a process with matching code starts.
  bool nondeterminism_fails = false;

  /// Longest time that a message waits for the turn it causes; after that the
  /// message is committed without the turn. 20 ms is about ten commits and
  /// far longer than a turn usually takes.
  duration turn_wait_max = std::chrono::milliseconds(20);

  /// Timers due within this time are kept in memory, later ones on disk only.
  duration timer_horizon = std::chrono::minutes(10);

  /// The deletion of acknowledged outbox rows is committed with the next
  /// turn, or in a turn of its own after this time.
  duration acknowledge_wait_max = std::chrono::milliseconds(500);

  /// If a partition has acknowledged none of the messages that were sent to it
  /// for this time, the oldest one is sent again.
  duration probe_interval = std::chrono::seconds(5);

  /// If so many messages to one partition are not acknowledged, a turn that
  /// would add more waits. At least 1. One turn may exceed it, by the number of
  /// its decisions.
  std::uint64_t outbox_messages_max = 10'000;

  /// While work or messages for damaged instances wait, the instances are read
  /// again at this interval.
  duration damage_retry_interval = std::chrono::minutes(1);

  /// Number of instances kept in memory although they are idle. 128 instances
  /// in each of 32 partitions, about 6 KiB each, take 24 MiB.
  std::size_t idle_instances_max = 128;

  /// If the unread events, results, open tasks and custom statuses of the
  /// instances in memory take more bytes than this, idle instances whose part
  /// is greater than `idle_instance_bytes_max / idle_instances_max` are
  /// evicted. Idle instances thus take at most twice this size: 256 MiB in 32
  /// partitions.
  std::uint64_t idle_instance_bytes_max = 4U << 20;

  /// Largest number of answers that are recorded for requests with a request
  /// ID, and their size on disk. At either bound, a request with a new request
  /// ID is refused with errc::overloaded; requests without one are accepted.
  std::uint64_t request_keys_max = 1'000'000;
  std::uint64_t request_key_bytes_max = 64U << 20;

  /// An instance that has been idle for this time is evicted from memory.
  duration idle_instance_time_max = std::chrono::seconds(30);

  /// A turn that runs longer than this is reported in the log and by
  /// `perdura list --stuck`.
  duration turn_stuck_time = std::chrono::seconds(5);

  /// No orchestrator and no activity runs; requests are answered, and what they
  /// cause runs after a start without this setting.
  bool paused = false;
};

} // namespace perdura::actors
