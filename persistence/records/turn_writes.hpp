/// Everything one turn changes: applied whole or not at all.
#pragma once

#include "persistence/records/records.hpp"

#include <optional>
#include <utility>
#include <vector>

namespace perdura::persistence {

/// A task that is open no longer; kind and time say which index rows go.
struct task_closed {
  task_sequence sequence = 0;
  task_kind kind = task_kind::activity;
  timestamp fire_at{};

  bool operator==(const task_closed&) const = default;
};

template <class I>
auto inspect(I& f, task_closed& x) {
  return f(x.sequence, x.kind, x.fire_at);
}

/// What one turn changes of one instance, in this order: `removed` (all of it
/// goes), `reset` (history and tasks go: a new execution), then what is
/// erased, then what is put. Applying it twice changes nothing more.
struct instance_write {
  instance_id id;
  bool removed = false;
  bool reset = false;
  std::optional<instance_record> record; ///< Present unless purely removed.
  std::optional<std::string> custom_status;
  event_index history_first = 0; ///< Place of `history[0]`.
  std::vector<history_event> history;
  std::vector<task_closed> tasks_closed;
  std::vector<std::pair<task_sequence, open_task>> tasks_opened;
  std::vector<inbox_sequence> inbox_taken;
  std::vector<std::pair<inbox_sequence, inbox_message>> inbox_put;
  std::vector<request_record> requests;

  bool operator==(const instance_write&) const = default;
};

template <class I>
auto inspect(I& f, instance_write& x) {
  return f(x.id, x.removed, x.reset, x.record, x.custom_status, x.history_first,
           x.history, x.tasks_closed, x.tasks_opened, x.inbox_taken,
           x.inbox_put, x.requests);
}

struct turn_writes {
  partition_id partition{};
  owner_epoch epoch = 0;
  partition_sequence sequence = 0; ///< Dense within the partition.
  timestamp now{};
  std::vector<instance_write> instances; ///< Each instance at most once.
  std::vector<outbox_message> outbox;
  std::vector<outbox_mark> outbox_acknowledged;
  std::vector<dedup_mark> marks;

  bool operator==(const turn_writes&) const = default;
};

template <class I>
auto inspect(I& f, turn_writes& x) {
  return f(x.partition, x.epoch, x.sequence, x.now, x.instances, x.outbox,
           x.outbox_acknowledged, x.marks);
}

/// The only mutator of an instance: live, in recovery, and when a read meets
/// writes that the views do not hold yet. `state` is empty if there is no
/// such instance. History is not part of the state. Idempotent.
void apply(std::optional<stored_instance>& state, const instance_write& write);

/// Puts `more` behind what is `kept`, each ID once, and keeps the last
/// `requests_kept`.
void remember(std::vector<request_record>& kept,
              const std::vector<request_record>& more);

/// A copy for `apply`, which does not look at the history.
instance_write without_history(const instance_write& from);

/// Folds `next` into `first`, so that applying the result equals applying
/// both in order, history included.
void merge(instance_write& first, instance_write&& next);

} // namespace perdura::persistence
