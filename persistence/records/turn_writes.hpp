// SPDX-License-Identifier: Apache-2.0
/// The changes that one turn makes to the durable state, and the functions
/// that apply and combine them. `turn_writes` is the content of the journal:
/// a turn is applied whole or not at all.
///
/// The same functions serve a running partition, recovery and reads, so the
/// state after a recovery equals the state before the crash.
#pragma once

#include "persistence/records/records.hpp"
#include "persistence/records/request_rows.hpp"

#include <optional>
#include <utility>
#include <vector>

namespace perdura::persistence {

/// A task that is no longer open. The kind and the time show which index rows
/// the task had. A flush does not rely on this copy: it reads the kind and the
/// time of the stored task.
struct task_closed {
  task_sequence sequence = 0;
  task_kind kind = task_kind::activity;
  timestamp fire_at{}; ///< The time at which it was due, as `due_of`.

  bool operator==(const task_closed&) const = default;
};

template <class I>
auto inspect(I& f, task_closed& x) {
  return f(x.sequence, x.kind, x.fire_at);
}

/// The changes to one instance. They take effect in this order:
/// 1. `removed`: the instance and its history are deleted.
/// 2. `reset`: the history and all open tasks are deleted, because a new
///    execution begins.
/// 3. Closed tasks and delivered inbox messages are deleted.
/// 4. `record`, `custom_status`, new history events, tasks, inbox messages and
///    requests are written.
///
/// With both `removed` and `record`, the write replaces the instance; its
/// earlier state has no influence. Without `record`, a write to an instance
/// that does not exist has no effect. Applying the same write twice has the
/// same result as applying it once.
struct instance_write {
  instance_id id;
  bool removed = false;
  bool reset = false;
  /// The new record. Empty only if the instance is removed and not replaced.
  std::optional<instance_record> record;
  std::optional<std::string> custom_status; ///< Empty means unchanged.
  event_index history_first = 0;            ///< Index of `history[0]`.
  std::vector<history_event> history;       ///< Events to add or replace.
  std::vector<task_closed> tasks_closed;
  std::vector<std::pair<task_sequence, open_task>> tasks_opened;
  /// Inbox messages that were delivered, and that are therefore deleted.
  std::vector<inbox_sequence> inbox_removed;
  std::vector<std::pair<inbox_sequence, inbox_message>> inbox_put;
  /// Answers that a program before format 3 has recorded. Newer programs use
  /// turn_writes::requests.
  std::vector<request_record> requests;

  bool operator==(const instance_write&) const = default;
};

template <class I>
auto inspect(I& f, instance_write& x) {
  return f(x.id, x.removed, x.reset, x.record, x.custom_status, x.history_first,
           x.history, x.tasks_closed, x.tasks_opened, x.inbox_removed,
           x.inbox_put, x.requests);
}

/// The changes that one turn makes to a partition.
struct turn_writes {
  partition_id partition{};
  owner_epoch epoch = 0; ///< The epoch of the owner that ran the turn.
  /// The number of the turn within the partition.
  partition_sequence sequence = 0;
  timestamp now{};                       ///< The time of the turn.
  std::vector<instance_write> instances; ///< At most one write per instance.
  std::vector<outbox_message> outbox;    ///< Messages to store and send.
  /// For each destination, the newest message that it has acknowledged.
  /// Messages up to that one are deleted from the outbox.
  std::vector<outbox_mark> outbox_acknowledged;
  std::vector<dedup_mark> marks; ///< Messages accepted from other partitions.
  /// A new anchor of the partition's elapsed time. Since format 3.
  std::optional<time_anchor> anchor;
  /// Answers to requests, and their deletion. Since format 3.
  std::optional<request_changes> requests;
  std::vector<rule_change> rules; ///< Applied in order. Since format 3.

  bool operator==(const turn_writes&) const = default;
};

template <class I>
auto inspect(I& f, turn_writes& x) {
  return f(x.partition, x.epoch, x.sequence, x.now, x.instances, x.outbox,
           x.outbox_acknowledged, x.marks, x.anchor, x.requests, x.rules);
}

// All functions below are pure and thread-safe.

/// Applies a write to the state of its instance. `state` is empty if the
/// instance does not exist. The history is not part of the state, so
/// `write.history` is ignored. Idempotent.
///
/// No other function changes a `stored_instance`. The running partition uses
/// `apply`, and so does a read that combines the rows with turns in memory.
void apply(std::optional<stored_instance>& state, const instance_write& write);

/// Applies the history changes of `write` to `events`, which begin with event
/// `first` and were read from an older state. At most `count_max` events are
/// kept.
void overlay_history(std::vector<history_event>& events, event_index first,
                     std::size_t count_max, const instance_write& write);

/// Appends `more` to `kept`. Among records with the same ID only the last one
/// remains. If there are more than `requests_kept_max` records, the oldest ones
/// are dropped.
void append_requests(std::vector<request_record>& kept,
                     const std::vector<request_record>& more);

/// A copy without the history, for callers that only need `apply`.
instance_write without_history(const instance_write& from);

/// Combines two consecutive writes of one instance into `first`, so that
/// applying the result equals applying both in order, the history included.
/// @throws std::logic_error  The events of `next` begin before the events of
///                           `first`, or there is a gap between the events of
///                           `first` and those of `next`.
void merge(instance_write& first, instance_write&& next);

} // namespace perdura::persistence
