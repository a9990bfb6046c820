/// What is remembered besides history: the rows of the views.
#pragma once

#include "persistence/records/error.hpp"
#include "persistence/records/history_event.hpp"
#include "persistence/records/ids.hpp"

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace perdura::persistence {

/// Written to disk and, by number, in the wire contract. Append; never
/// renumber.
enum class runtime_status : std::uint8_t {
  running = 0,
  completed = 1,
  continued_as_new = 2,
  failed = 3,
  canceled = 4,
  terminated = 5,
  pending = 6,
  suspended = 7,
};

constexpr bool is_finished(runtime_status status) {
  return status == runtime_status::completed || status == runtime_status::failed
         || status == runtime_status::terminated
         || status == runtime_status::canceled;
}

/// The head of an instance: constant in size, written whole by each turn.
struct instance_record {
  std::string name;
  std::string version;
  execution_id execution;
  runtime_status status = runtime_status::pending;
  runtime_status status_resumed = runtime_status::pending; ///< While suspended.
  timestamp created_at{};      ///< When the start was accepted.
  timestamp last_updated_at{}; ///< The last committed turn.
  timestamp ended_at{};        ///< Epoch while alive.
  timestamp scheduled_at{};
  parent_link parent;
  event_index history_count = 0;   ///< Events so far.
  std::uint64_t history_bytes = 0; ///< Payload bytes in them.
  event_index output_event = 0;    ///< The event that holds it; 0: none yet.
  task_sequence next_sequence = 1; ///< After the last turn.
  inbox_sequence next_inbox = 1;
  std::uint32_t generation = 0;
  bool turn_due = false; ///< Recovery dispatches a turn.
  std::string held;      ///< Why no turn can run (code does not fit); empty.

  bool operator==(const instance_record&) const = default;
};

template <class I>
auto inspect(I& f, instance_record& x) {
  return f(x.name, x.version, x.execution, x.status, x.status_resumed,
           x.created_at, x.last_updated_at, x.ended_at, x.scheduled_at,
           x.parent, x.history_count, x.history_bytes, x.output_event,
           x.next_sequence, x.next_inbox, x.generation, x.turn_due, x.held);
}

enum class task_kind : std::uint8_t {
  activity = 1,
  timer = 2,
  sub_orchestration = 3,
  event_wait = 4,
  scheduled_start = 5,
};

/// Something an instance waits for. Input stands in history at
/// `scheduled_event`.
struct open_task {
  task_kind kind = task_kind::activity;
  std::string name;    ///< Activity, orchestrator or event name.
  timestamp fire_at{}; ///< Timers and scheduled starts.
  instance_id child;   ///< Sub-orchestrations.
  event_index scheduled_event = 0;
  std::uint32_t attempt = 1;

  bool operator==(const open_task&) const = default;
};

template <class I>
auto inspect(I& f, open_task& x) {
  return f(x.kind, x.name, x.fire_at, x.child, x.scheduled_event, x.attempt);
}

/// A message that is stored before a turn takes it: an event nobody waits for
/// yet, a result while suspended or failed.
struct inbox_message {
  history_event event;

  bool operator==(const inbox_message&) const = default;
};

template <class I>
auto inspect(I& f, inbox_message& x) {
  return f(x.event);
}

/// What a repeated request is answered with.
struct request_record {
  request_id id;
  errc code = errc::ok;
  std::string detail; ///< The message, or the ID of a started instance.
  execution_id execution;

  bool operator==(const request_record&) const = default;
};

template <class I>
auto inspect(I& f, request_record& x) {
  return f(x.id, x.code, x.detail, x.execution);
}

/// All that is known of one instance but its history.
struct stored_instance {
  instance_record record;
  std::string custom_status = "null";
  std::map<task_sequence, open_task> tasks;
  std::map<inbox_sequence, inbox_message> inbox;
  std::vector<request_record> requests; ///< The last `requests_kept`.

  bool operator==(const stored_instance&) const = default;
};

inline constexpr std::size_t requests_kept = 128;

// --- Messages from one partition to another ---------------------------------

struct child_start {
  std::string name;
  std::string version;
  std::string input;
  parent_link parent;

  bool operator==(const child_start&) const = default;
};

/// To the parent: `to_instance` is the parent's ID.
struct child_ended {
  execution_id execution; ///< The parent's.
  task_sequence sequence = 0;
  bool failed = false;
  std::string result;
  failure_details failure;

  bool operator==(const child_ended&) const = default;
};

struct child_rewind {
  std::string reason;
  parent_link parent;

  bool operator==(const child_rewind&) const = default;
};

struct child_terminate {
  std::string reason;
  parent_link parent;

  bool operator==(const child_terminate&) const = default;
};

struct event_send {
  std::string name;
  std::string input;

  bool operator==(const event_send&) const = default;
};

template <class I>
auto inspect(I& f, child_start& x) {
  return f(x.name, x.version, x.input, x.parent);
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

/// The place in this list is the tag on disk. Append; never reorder.
using outbox_body = std::variant<child_start, child_ended, child_rewind,
                                 child_terminate, event_send>;

/// Kept until the destination has acknowledged it. `sequence` is dense per
/// (source, destination), from 1.
struct outbox_message {
  partition_id to{};
  std::uint64_t sequence = 0;
  instance_id to_instance;
  outbox_body body;

  bool operator==(const outbox_message&) const = default;
};

template <class I>
auto inspect(I& f, outbox_message& x) {
  return f(x.to, x.sequence, x.to_instance, x.body);
}

/// The newest message taken from `from`: the receiver takes only mark + 1.
struct dedup_mark {
  partition_id from{};
  std::uint64_t sequence = 0;

  bool operator==(const dedup_mark&) const = default;
};

template <class I>
auto inspect(I& f, dedup_mark& x) {
  return f(x.from, x.sequence);
}

/// Messages to `to` up to `sequence` were acknowledged and are forgotten.
struct outbox_mark {
  partition_id to{};
  std::uint64_t sequence = 0;

  bool operator==(const outbox_mark&) const = default;
};

template <class I>
auto inspect(I& f, outbox_mark& x) {
  return f(x.to, x.sequence);
}

/// The head of a partition.
struct partition_meta {
  std::string incarnation; ///< Random, 32 hex digits, written at creation.
  owner_epoch epoch = 0;
  partition_sequence sequence = 0; ///< Of the last turn.
  timestamp now{};                 ///< Of the last turn.

  bool operator==(const partition_meta&) const = default;
};

template <class I>
auto inspect(I& f, partition_meta& x) {
  return f(x.incarnation, x.epoch, x.sequence, x.now);
}

/// The head of a data directory.
struct hub_identity {
  std::string hub_id; ///< Random, 32 hex digits.
  std::string name;   ///< The task hub's name, e.g. "perdura".
  std::uint32_t partition_count = 32;
  std::uint32_t lane_count = 1;
  timestamp created_at{};
  /// Of a cluster: whose directory this is, and how partitions were placed.
  std::string node;                  ///< Empty: a node alone.
  std::vector<std::string> nodes;    ///< In the order of the hub's making.
  std::vector<std::uint32_t> owners; ///< By partition: an index into `nodes`.
  /// Random, 32 hex digits: another directory of the same node and hub has
  /// another one, so that the others notice when data was lost.
  std::string directory_id;

  bool operator==(const hub_identity&) const = default;
};

template <class I>
auto inspect(I& f, hub_identity& x) {
  return f(x.hub_id, x.name, x.partition_count, x.lane_count, x.created_at,
           x.node, x.nodes, x.owners, x.directory_id);
}

} // namespace perdura::persistence
