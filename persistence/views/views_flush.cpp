// SPDX-License-Identifier: Apache-2.0
#include "persistence/views/views_flush.hpp"

#include "persistence/views/rows.hpp"

#include <algorithm>

namespace perdura::persistence {

namespace {

/// Writes the changes of one slice into the tables. For each partition, the
/// caller calls `begin`, then `apply_instance` for each instance of the slice,
/// then `apply_counts`. If later slices contain no instance of the partition,
/// it also calls `apply_head`.
class updater {
public:
  explicit updater(row_writer& rows) : rows_(rows), put_(rows) {}

  /// Selects the partition that the following calls change.
  void begin(partition_id partition) {
    partition_ = partition;
    count_changes_ = {};
  }

  /// Writes the changes of one instance, in the order that `instance_write`
  /// defines.
  void apply_instance(const instance_write& write) {
    const std::string key
      = instance_key(partition_, write.id, row_kind::record);
    const auto old = get_row<instance_record>(rows_, table::instances, key);
    if (write.removed) {
      if (old)
        erase_rows(write.id, row_kind::record, row_kind::history);
    } else if (write.reset && old) {
      erase_rows(write.id, row_kind::task, row_kind::task);
      erase_rows(write.id, row_kind::history, row_kind::history);
    }
    if (write.removed && !write.record)
      return apply_indexes(write.id, old, {});
    if (!old && !write.record)
      return; // The instance does not exist, so the write has no effect.
    if (write.record) {
      put_.put(table::instances, key, *write.record);
      apply_indexes(write.id, old, write.record);
    }
    // An instance without old rows is written without reading or erasing rows
    // first.
    const bool has_old_rows = old && !write.removed;
    apply_custom_status(write, has_old_rows);
    apply_requests(write, has_old_rows);
    apply_tasks(write, has_old_rows && !write.reset);
    apply_inbox(write, has_old_rows);
    apply_history(write.id, write.history_first, write.history);
  }

  /// Adds the changes of this slice to the stored counts, in the transaction
  /// of the slice, so that counts and indexes always agree.
  void apply_counts() {
    for (std::size_t status = 0; status < count_changes_.size(); ++status) {
      if (count_changes_[status] == 0)
        continue;
      const std::string key
        = count_key(partition_, static_cast<runtime_status>(status));
      const auto old = get_row<std::uint64_t>(rows_, table::counts, key);
      put_.put(table::counts, key,
               old.value_or(0)
                 + static_cast<std::uint64_t>(count_changes_[status]));
    }
  }

  /// Writes the outbox, the marks and the `partition_meta` of a partition,
  /// after the last of its instances.
  void apply_head(const pending_partition& pending) {
    apply_outbox(pending);
    for (const auto& [from, sequence] : pending.marks)
      put_.put(table::marks, pair_key(partition_, partition_id(from)),
               sequence);
    partition_meta meta = get_row<partition_meta>(rows_, table::partitions,
                                                  partition_key(partition_))
                            .value_or(partition_meta{});
    meta.epoch = pending.epoch;
    meta.sequence = pending.sequence;
    meta.now = pending.now;
    put_.put(table::partitions, partition_key(partition_), meta);
  }

private:
  // In the following functions, `has_old_rows` is false if the instance had no
  // rows before this write, or if its rows of the function's kind are already
  // erased. The function then reads and erases no rows.

  /// Writes the custom status. The default value, JSON null, has no row.
  void apply_custom_status(const instance_write& write, bool has_old_rows) {
    if (!write.custom_status)
      return;
    const std::string key
      = instance_key(partition_, write.id, row_kind::custom_status);
    if (*write.custom_status != "null")
      put_.put(table::instances, key, *write.custom_status);
    else if (has_old_rows)
      rows_.erase(table::instances, key);
  }

  /// Merges the new request records with the stored ones, in one row.
  void apply_requests(const instance_write& write, bool has_old_rows) {
    if (write.requests.empty())
      return;
    const std::string key
      = instance_key(partition_, write.id, row_kind::requests);
    std::vector<request_record> kept;
    if (has_old_rows)
      kept = get_row<std::vector<request_record>>(rows_, table::instances, key)
               .value_or(kept);
    append_requests(kept, write.requests);
    put_.put(table::instances, key, kept);
  }

  /// Erases closed tasks and writes opened ones, each with its index row.
  void apply_tasks(const instance_write& write, bool has_old_rows) {
    const auto key_of = [&](task_sequence sequence) {
      return instance_key(partition_, write.id, row_kind::task, sequence);
    };
    // Erases the index row of the stored task, if there is one. The stored task
    // determines the index row; the task that replaces it may differ.
    const auto unindex = [&](task_sequence sequence, const std::string& key) {
      const auto old = get_row<open_task>(rows_, table::instances, key);
      if (old)
        erase_index(write.id, sequence, *old);
      return old.has_value();
    };
    if (has_old_rows)
      for (const task_closed& closed : write.tasks_closed) {
        const std::string key = key_of(closed.sequence);
        if (unindex(closed.sequence, key))
          rows_.erase(table::instances, key);
      }
    for (const auto& [sequence, task] : write.tasks_opened) {
      const std::string key = key_of(sequence);
      if (has_old_rows)
        unindex(sequence, key);
      put_.put(table::instances, key, task);
      put_index(write.id, sequence, task);
    }
  }

  /// Erases delivered inbox messages and writes new ones.
  void apply_inbox(const instance_write& write, bool has_old_rows) {
    if (has_old_rows)
      for (inbox_sequence sequence : write.inbox_removed)
        rows_.erase(table::instances, instance_key(partition_, write.id,
                                                   row_kind::inbox, sequence));
    for (const auto& [sequence, message] : write.inbox_put)
      put_.put(table::instances,
               instance_key(partition_, write.id, row_kind::inbox, sequence),
               message);
  }

  /// Writes events as one row; divides them in half if the row is too large.
  void apply_history(const instance_id& id, event_index first,
                     const std::vector<history_event>& events) {
    if (events.empty())
      return;
    const std::string key
      = instance_key(partition_, id, row_kind::history, first);
    const std::size_t bytes_max
      = events.size() > 1 ? history_chunk_bytes_max : put_.no_limit;
    if (!put_.put_within(table::instances, key, events, bytes_max)) {
      const auto middle
        = events.begin() + static_cast<std::ptrdiff_t>(events.size() / 2);
      apply_history(id, first, {events.begin(), middle});
      apply_history(id, first + static_cast<event_index>(events.size() / 2),
                    {middle, events.end()});
    }
  }

  /// Updates the index rows and the counts for a change of an instance's
  /// record from `old` to `now`. Empty means that there is no record.
  void apply_indexes(const instance_id& id,
                     const std::optional<instance_record>& old,
                     const std::optional<instance_record>& now) {
    // True if the row in by_created (or in by_status) does not change.
    const bool same_created = old && now && old->created_at == now->created_at
                              && old->name == now->name;
    const bool same_status = same_created && old->status == now->status;
    if (old && !same_created)
      rows_.erase(table::by_created,
                  created_key(partition_, old->created_at, id));
    if (old && !same_status) {
      rows_.erase(table::by_status,
                  status_key(partition_, old->status, old->created_at, id));
      --count_changes_.at(static_cast<std::size_t>(old->status));
    }
    if (now && !same_created)
      put_.put(table::by_created, created_key(partition_, now->created_at, id),
               now->name);
    if (now && !same_status) {
      put_.put(table::by_status,
               status_key(partition_, now->status, now->created_at, id),
               now->name);
      ++count_changes_.at(static_cast<std::size_t>(now->status));
    }
    const bool was_due = old && old->turn_due;
    const bool is_due = now && now->turn_due;
    if (was_due && !is_due)
      rows_.erase(table::turns_due, turn_due_key(partition_, id));
    if (is_due && !was_due)
      put_.put(table::turns_due, turn_due_key(partition_, id),
               std::uint64_t{1});
  }

  /// Writes the index row of an open task, if its kind has one.
  void put_index(const instance_id& id, task_sequence sequence,
                 const open_task& task) {
    if (has_due_time(task.kind))
      put_.put(table::due, due_key(partition_, task.fire_at, id, sequence),
               std::uint64_t{1});
    else if (task.kind == task_kind::activity)
      put_.put(table::activities, activity_key(partition_, id, sequence),
               std::uint64_t{1});
  }

  /// Erases the index row of a task, if its kind has one.
  void erase_index(const instance_id& id, task_sequence sequence,
                   const open_task& task) {
    if (has_due_time(task.kind))
      rows_.erase(table::due, due_key(partition_, task.fire_at, id, sequence));
    else if (task.kind == task_kind::activity)
      rows_.erase(table::activities, activity_key(partition_, id, sequence));
  }

  /// Erases all rows of an instance whose kinds are `first` to `last`, and the
  /// index rows of erased tasks.
  void erase_rows(const instance_id& id, row_kind first, row_kind last) {
    // The keys are collected first: a cursor must not be moved after a change.
    std::vector<std::string> keys;
    const std::string end = after_prefix(instance_key(partition_, id, last));
    {
      const auto cursor = rows_.walk(table::instances);
      for (bool more = cursor->seek(instance_key(partition_, id, first));
           more && cursor->key() < end; more = cursor->next())
        keys.emplace_back(cursor->key());
    }
    const std::string task_prefix
      = instance_key(partition_, id, row_kind::task);
    for (const std::string& key : keys) {
      if (key.starts_with(task_prefix)) {
        const auto task = get_row<open_task>(rows_, table::instances, key);
        if (task)
          erase_index(
            id, static_cast<task_sequence>(number_of(key).value_or(0)), *task);
      }
      rows_.erase(table::instances, key);
    }
  }

  /// Erases acknowledged messages and writes new ones. No message is in both
  /// lists: `pending_writes` drops new messages that were acknowledged.
  void apply_outbox(const pending_partition& pending) {
    for (const auto& [to, sequence] : pending.outbox_acknowledged) {
      std::vector<std::string> keys;
      const partition_id destination{to};
      {
        const std::string end = outbox_key(partition_, destination, sequence);
        const auto cursor = rows_.walk(table::outbox);
        for (bool more = cursor->seek(outbox_key(partition_, destination, 0));
             more && cursor->key() <= end; more = cursor->next())
          keys.emplace_back(cursor->key());
      }
      for (const std::string& key : keys)
        rows_.erase(table::outbox, key);
    }
    for (const auto& [key, message] : pending.outbox)
      put_.put(table::outbox,
               outbox_key(partition_, message.to, message.sequence), message);
    for (const auto& [to, sequence] : pending.outbox_heads)
      put_.put(table::outbox_heads, pair_key(partition_, partition_id(to)),
               sequence);
  }

  row_writer& rows_;
  typed_row_writer put_;
  partition_id partition_{};
  /// Changes of the counts of `partition_` in this slice, by status.
  std::array<std::int64_t, 8> count_changes_{};
};

} // namespace

views_flush::views_flush(pending_layers pending, journal_position applied)
  : pending_(std::move(pending)),
    partitions_(pending_.partitions()),
    applied_(applied) {
  merge_next();
}

bool views_flush::slice(row_writer& rows, std::size_t instances_max) {
  // `instances_max` counts the instances of all partitions of the slice.
  updater update(rows);
  while (next_ != partitions_.size()) {
    update.begin(current_.partition);
    for (; applied_writes_ < current_.writes.size() && instances_max > 0;
         --instances_max)
      update.apply_instance(*current_.writes[applied_writes_++]);
    update.apply_counts();
    if (applied_writes_ < current_.writes.size())
      return false;
    update.apply_head(*current_.head);
    ++next_;
    merge_next();
  }
  // Only now do the rows contain all turns up to this position.
  typed_row_writer(rows).put(table::meta, applied_key, applied_);
  return true;
}

/// Merges the writes of the next partition. They are in key order, because
/// adjacent rows share pages.
void views_flush::merge_next() {
  applied_writes_ = 0;
  current_ = next_ == partitions_.size()
               ? pending_layers::merged_partition()
               : pending_.merge_partition(partitions_[next_]);
}

void write_initial_rows(
  row_writer& rows, const hub_identity& hub, std::uint32_t lane,
  std::uint32_t format,
  const std::vector<std::pair<partition_id, partition_meta>>& partitions) {
  typed_row_writer put(rows);
  put.put(table::meta, format_key, std::uint64_t{format});
  put.put(table::meta, hub_key, hub);
  put.put(table::meta, lane_key, std::uint64_t{lane});
  put.put(table::meta, applied_key, journal_position{0});
  for (const auto& [partition, meta] : partitions)
    put.put(table::partitions, partition_key(partition), meta);
}

} // namespace perdura::persistence
