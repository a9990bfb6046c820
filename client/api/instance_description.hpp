// SPDX-License-Identifier: Apache-2.0
/// The description of one instance: its status, the tasks and events that it
/// waits for, and the node that runs it; and its JSON form.
#pragma once

#include <perdura/client/api/orchestration_status.hpp>
#include <perdura/persistence/records/ids.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::client {

/// The kind of an open task.
enum class open_task_kind : std::uint8_t {
  activity,
  timer,
  sub_orchestration,
  scheduled_start, ///< The start of the instance itself, at a later time.
};

/// The name of the kind in JSON, e.g. "SubOrchestration".
std::string_view to_string(open_task_kind kind);

/// A task that an instance has scheduled and that has not ended.
struct described_task {
  open_task_kind kind = open_task_kind::activity;
  /// The name of the activity or of the child's orchestrator. Empty for a timer
  /// and a scheduled start.
  std::string name;
  /// When the task was scheduled; the epoch if it is not known, because an
  /// execution that has continued as new since has scheduled it.
  persistence::timestamp since{};
  /// The attempt of an activity, counted from 1.
  std::uint32_t attempt = 1;
  /// When a timer fires or the instance starts; the epoch for other kinds.
  persistence::timestamp fires_at{};
  /// The ID of a sub-orchestration; empty for other kinds.
  std::string instance_id;
  /// No code waits for the activity, which runs to its end nevertheless: the
  /// instance has ended, or has continued as new since.
  bool is_left = false;
};

/// A wait for an external event.
struct described_wait {
  std::string name; ///< The name of the event.
  /// When the instance began to wait; the epoch if it is not known, because a
  /// node with an older program has recorded the wait.
  persistence::timestamp since{};
};

/// Events of one name that the orchestrator has not received.
struct described_events {
  std::string name; ///< As it was sent first.
  std::uint64_t count = 0;
};

/// One instance at one moment. The tasks, waits and events are those of the
/// durable state.
struct instance_description {
  orchestration_status status; ///< Without input and history.
  /// The root of the tree of sub-orchestrations; empty if the instance has no
  /// parent, or if it is not known.
  std::string root_instance_id;
  std::uint32_t depth = 0; ///< Number of ancestors.
  /// The first 1,000 open tasks and the first 1,000 waits, each in the order in
  /// which they were opened. The counts include the others.
  std::vector<described_task> open_tasks;
  std::uint64_t open_task_count = 0;
  std::vector<described_wait> waits;
  std::uint64_t wait_count = 0;
  std::vector<described_events> unread_events; ///< In order of arrival.
  /// A turn must run. It does not begin while the instance is suspended or
  /// held, or while its orchestrator is paused.
  bool is_turn_due = false;
  bool is_turn_running = false;
  /// A sentence if the orchestrator is paused by name. Empty if it is not.
  std::string paused;
  std::uint32_t partition = 0; ///< The partition of the instance.
  /// The node that owns the partition. Empty for a node without a cluster.
  std::string node;
  /// After a recursive terminate of this instance: the partitions in which
  /// members of the tree may still run, for example because their node is away.
  /// Empty when all have ended.
  std::vector<std::uint32_t> tree_left_in;
};

/// The JSON object of `GET /perdura/instances/{id}`. Names are those of the
/// status object; values that the instance does not have are null.
std::string to_json(const instance_description& description);

} // namespace perdura::client
