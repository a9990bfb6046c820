// SPDX-License-Identifier: Apache-2.0
/// The records that the views store besides the history: instances and their
/// open work, messages between partitions, and the identity of partitions and
/// hubs.
///
/// The field lists (`inspect`) define the layout on disk and between nodes:
/// new fields are appended, existing ones keep their order.
#pragma once

#include "persistence/records/error.hpp"
#include "persistence/records/history_event.hpp"
#include "persistence/records/ids.hpp"
#include "persistence/records/partition_rules.hpp"
#include "persistence/records/runtime_status.hpp"
#include "persistence/records/time_scales.hpp"

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace perdura::persistence {

/// Whether an instance has started sub-orchestrations. Stored by number.
enum class child_starts : std::uint8_t {
  unknown = 0, ///< The instance was started before format 3.
  none = 1,
  some = 2, ///< In any execution since its start.
};

/// The main row of an instance. Each turn writes the whole record, whose size
/// does not grow with the history.
struct instance_record {
  std::string name;       ///< The orchestrator's name.
  std::string version;    ///< The orchestrator's version; may be empty.
  execution_id execution; ///< The newest execution.
  runtime_status status = runtime_status::pending;
  /// While the instance is suspended: its status after a resume.
  runtime_status status_resumed = runtime_status::pending;
  timestamp created_at{};      ///< When the start was accepted.
  timestamp last_updated_at{}; ///< Time of the last committed turn.
  timestamp ended_at{};        ///< The epoch while the instance is live.
  timestamp scheduled_at{};    ///< The epoch means an immediate start.
  parent_link parent;
  event_index history_count = 0;   ///< Events in the newest execution.
  std::uint64_t history_bytes = 0; ///< Payload bytes in these events.
  event_index output_event = 0;    ///< The event with the output; 0 means none.
  task_sequence next_sequence = 1; ///< Number of the next decision.
  inbox_sequence next_inbox = 1;   ///< Number of the next inbox message.
  /// Number of executions that ended with continue-as-new since the start.
  std::uint32_t generation = 0;
  bool turn_due = false; ///< A turn must run after a recovery.
  /// Why the instance is held: the text states that the code does not match
  /// the history or that the orchestrator is not registered. Empty if the
  /// instance is not held.
  std::string held;
  tree_place place;                              ///< Since format 2.
  child_starts children = child_starts::unknown; ///< Since format 3.
  /// The epoch of the partition in the last turn of the code. In another epoch
  /// the code may be newer, and may wait for other events. Since format 3.
  owner_epoch code_epoch = 0;

  bool operator==(const instance_record&) const = default;
};

template <class I>
auto inspect(I& f, instance_record& x) {
  return f(x.name, x.version, x.execution, x.status, x.status_resumed,
           x.created_at, x.last_updated_at, x.ended_at, x.scheduled_at,
           x.parent, x.history_count, x.history_bytes, x.output_event,
           x.next_sequence, x.next_inbox, x.generation, x.turn_due, x.held,
           x.place, x.children, x.code_epoch);
}

/// Stored by number. Append new kinds; never renumber.
enum class task_kind : std::uint8_t {
  activity = 1,
  timer = 2,
  sub_orchestration = 3,
  event_wait = 4,
  scheduled_start = 5,
};

/// True for the kinds of task that end at a time: timers and scheduled starts.
constexpr bool has_due_time(task_kind kind) {
  return kind == task_kind::timer || kind == task_kind::scheduled_start;
}

/// An activity that an earlier execution of the instance has scheduled. That
/// execution continued as new before the activity had ended, and its history,
/// which had the input, is gone.
struct left_activity {
  execution_id execution;
  task_sequence sequence = 0; ///< In that execution.
  std::string input;          ///< JSON text.
  duration time_out{0};       ///< As in task_scheduled.
  duration start_time_out{0};

  bool operator==(const left_activity&) const = default;
};

template <class I>
auto inspect(I& f, left_activity& x) {
  return f(x.execution, x.sequence, x.input, x.time_out, x.start_time_out);
}

/// A task that an instance has scheduled and that has not ended.
struct open_task {
  task_kind kind = task_kind::activity;
  std::string name; ///< The name of the activity, child orchestrator or event.
  /// Set for timers and scheduled starts only: the time that the history
  /// states.
  timestamp fire_at{};
  instance_id child; ///< Set for sub-orchestrations only.
  /// The event that has the task's input; for a wait, the begin of its turn.
  event_index scheduled_event = 0;
  std::uint32_t attempt = 1; ///< Counted from 1.
  /// When a timer with a delay is due. Since format 3; the epoch means that an
  /// older program has created the timer, which is due when the elapsed time is
  /// `fire_at`.
  elapsed_time due{};
  /// The timer has a time and no delay: it is due when the wall clock shows
  /// `fire_at`. Since format 3.
  bool absolute = false;
  /// Set for an activity of an earlier execution. Since format 3.
  std::optional<left_activity> left = std::nullopt;

  bool operator==(const open_task&) const = default;
};

/// The scale on which a timer or a scheduled start is due.
constexpr time_scale scale_of(const open_task& task) {
  return task.absolute || task.kind == task_kind::scheduled_start
           ? time_scale::wall
           : time_scale::elapsed;
}

/// The time, on its scale, at which a timer or a scheduled start is due. The
/// epoch for any other task.
constexpr timestamp due_of(const open_task& task) {
  return scale_of(task) == time_scale::elapsed && task.due != elapsed_time{}
           ? timestamp(task.due.time_since_epoch())
           : task.fire_at;
}

template <class I>
auto inspect(I& f, open_task& x) {
  return f(x.kind, x.name, x.fire_at, x.child, x.scheduled_event, x.attempt,
           x.due, x.absolute, x.left);
}

/// A message that is stored before a turn delivers it: an external event for
/// which the orchestrator does not wait yet, or a task result that arrives
/// while the instance is suspended or failed.
struct inbox_message {
  history_event event;

  bool operator==(const inbox_message&) const = default;
};

template <class I>
auto inspect(I& f, inbox_message& x) {
  return f(x.event);
}

/// The answer to a client's request, as programs before format 3 recorded it
/// with the instance. Newer programs record answers as `request_row`.
struct request_record {
  request_id id;
  errc code = errc::ok;
  /// The error message or, for a start, the ID of the started instance.
  std::string detail;
  execution_id execution;

  bool operator==(const request_record&) const = default;
};

template <class I>
auto inspect(I& f, request_record& x) {
  return f(x.id, x.code, x.detail, x.execution);
}

/// The durable state of one instance, without its history.
struct stored_instance {
  instance_record record;
  std::string custom_status = "null"; ///< JSON text.
  std::map<task_sequence, open_task> tasks;
  std::map<inbox_sequence, inbox_message> inbox;
  /// The answers that programs before format 3 have recorded, at most
  /// `requests_kept_max`, oldest first. They take effect for
  /// `request_key_time` after partition_meta::requests_since.
  std::vector<request_record> requests;

  bool operator==(const stored_instance&) const = default;
};

/// Maximum number of answers that programs before format 3 kept for each
/// instance.
inline constexpr std::size_t requests_kept_max = 128;

// --- Messages from one partition to another ---------------------------------

/// Starts a child instance.
struct child_start {
  std::string name;
  std::string version;
  std::string input;
  parent_link parent;
  tree_place place; ///< The place of the child. Since format 2.

  bool operator==(const child_start&) const = default;
};

/// Reports to the parent, which is the addressed instance, that a child has
/// ended.
struct child_ended {
  execution_id execution;     ///< The parent's execution.
  task_sequence sequence = 0; ///< The parent's task that waits for the child.
  bool failed = false;
  std::string result;      ///< JSON text; empty if `failed`.
  failure_details failure; ///< Empty unless `failed`.

  bool operator==(const child_ended&) const = default;
};

/// Rewinds a failed child, because its parent is rewound.
struct child_rewind {
  std::string reason;
  parent_link parent;

  bool operator==(const child_rewind&) const = default;
};

/// Terminates a child, because its parent was terminated. Reaches children
/// whose place in the tree is not known; a `rule_notice` reaches the others.
struct child_terminate {
  std::string reason;
  parent_link parent;

  bool operator==(const child_terminate&) const = default;
};

/// Raises an event that another instance sent.
struct event_send {
  std::string name;
  std::string input;

  bool operator==(const event_send&) const = default;
};

template <class I>
auto inspect(I& f, child_start& x) {
  return f(x.name, x.version, x.input, x.parent, x.place);
}

template <class I>
auto inspect(I& f, child_ended& x) {
  return f(x.execution, x.sequence, x.failed, x.result, x.failure);
}

template <class I>
auto inspect(I& f, child_rewind& x) {
  return f(x.reason, x.parent);
}

template <class I>
auto inspect(I& f, child_terminate& x) {
  return f(x.reason, x.parent);
}

template <class I>
auto inspect(I& f, event_send& x) {
  return f(x.name, x.input);
}

/// The index of a type in this list is stored on disk as its tag. New types
/// are appended; the order never changes.
using outbox_body = std::variant<child_start, child_ended, child_rewind,
                                 child_terminate, event_send, rule_notice>;

/// A message to another partition, stored by the source until the destination
/// has acknowledged it.
struct outbox_message {
  partition_id to{};
  /// Numbered from 1 without gaps, for each pair of source and destination.
  std::uint64_t sequence = 0;
  /// The instance that the message concerns; empty in a rule_notice, which is
  /// for the partition.
  instance_id to_instance;
  outbox_body body;

  bool operator==(const outbox_message&) const = default;
};

template <class I>
auto inspect(I& f, outbox_message& x) {
  return f(x.to, x.sequence, x.to_instance, x.body);
}

/// The sequence number of the newest message that the destination has accepted
/// from partition `from`; stored by the destination. The destination accepts
/// only the message with the next number, so each message takes effect once and
/// in order.
struct dedup_mark {
  partition_id from{};
  std::uint64_t sequence = 0;

  bool operator==(const dedup_mark&) const = default;
};

template <class I>
auto inspect(I& f, dedup_mark& x) {
  return f(x.from, x.sequence);
}

/// The sequence number of a message to partition `to`. In a turn, it is the
/// number of the newest message that the destination has acknowledged, and the
/// messages up to this number are deleted. In a snapshot, it is the last number
/// assigned.
struct outbox_mark {
  partition_id to{};
  std::uint64_t sequence = 0;

  bool operator==(const outbox_mark&) const = default;
};

template <class I>
auto inspect(I& f, outbox_mark& x) {
  return f(x.to, x.sequence);
}

/// The incarnation of a partition and the state after its last turn.
struct partition_meta {
  /// 32 random hexadecimal digits, written when the hub is created, and anew
  /// when the directory is adopted.
  std::string incarnation;
  owner_epoch epoch = 0;           ///< Epoch of the last turn.
  partition_sequence sequence = 0; ///< Sequence of the last turn.
  timestamp now{};                 ///< Wall-clock time of the last turn.
  /// The newest anchor of the partition's elapsed time. Since format 3; empty
  /// if no turn had one.
  std::optional<time_anchor> anchor;
  /// From when on answers to requests are recorded as `request_row`. Since
  /// format 3; empty if no program of this format has served the partition.
  std::optional<elapsed_time> requests_since;
  /// The partitions with which this incarnation has not agreed on the numbers
  /// of messages yet; filled by an adoption. A turn with a mark of a partition
  /// removes it. Since format 3.
  std::vector<partition_id> unmatched;
  partition_rules rules; ///< Since format 3.

  bool operator==(const partition_meta&) const = default;
};

template <class I>
auto inspect(I& f, partition_meta& x) {
  return f(x.incarnation, x.epoch, x.sequence, x.now, x.anchor,
           x.requests_since, x.unmatched, x.rules);
}

/// Identifies the hub that a data directory stores, and the node to which the
/// directory belongs. After the creation of the hub, only an adoption changes
/// it.
struct hub_identity {
  std::string hub_id; ///< 32 random hexadecimal digits.
  std::string name;   ///< The task hub's name, e.g. "perdura".
  std::uint32_t partition_count = 32;
  std::uint32_t lane_count = 1;
  timestamp created_at{};
  /// The node to which the directory belongs. Empty for a node without a
  /// cluster.
  std::string node;
  /// The nodes of the cluster when the hub was created, and for each partition
  /// the index in `nodes` of its owner.
  std::vector<std::string> nodes;
  std::vector<std::uint32_t> owners;
  /// 32 random hexadecimal digits, new at creation and at adoption. A directory
  /// that replaces a lost one of the same node and hub has another ID, so that
  /// peers detect the loss.
  std::string directory_id;
  /// When the directory was adopted (`adopt_hub`); the epoch if it was not.
  /// Peers accept the directory in place of one that was adopted earlier. Since
  /// format 3.
  timestamp adopted_at{};

  bool operator==(const hub_identity&) const = default;
};

template <class I>
auto inspect(I& f, hub_identity& x) {
  return f(x.hub_id, x.name, x.partition_count, x.lane_count, x.created_at,
           x.node, x.nodes, x.owners, x.directory_id, x.adopted_at);
}

} // namespace perdura::persistence
