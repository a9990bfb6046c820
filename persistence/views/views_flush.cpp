// SPDX-License-Identifier: Apache-2.0
#include "persistence/views/views_flush.hpp"

#include "persistence/views/rows.hpp"
#include "persistence/views/views_query.hpp"

#include <algorithm>

namespace perdura::persistence {

namespace {

// The work of a slice is limited in units: an instance has this many, and a
// row of an answer to a request has one.
constexpr std::size_t units_per_instance = 8;

/// Writes the changes of one slice into the tables. For each partition, the
/// caller calls `begin`, then `apply_instance` for each instance of the slice,
/// then `apply_counts`, then `apply_request` and `remove_requests`. If later
/// slices contain nothing else of the partition, it also calls `apply_head`.
class updater {
public:
  explicit updater(row_writer& rows) : rows_(rows), put_(rows) {}

  /// Selects the partition that the following calls change.
  void begin(partition_id partition) {
    partition_ = partition;
    count_changes_ = {};
    counts_ = {};
  }

  /// Writes the changes of one instance, in the order that `instance_write`
  /// defines.
  void apply_instance(const instance_write& write) {
    const std::string key
      = instance_key(partition_, write.id, row_kind::record);
    const auto old = get_row<instance_record>(rows_, table::instances, key);
    // A write that continues an instance does not contain its whole history.
    if (!old && write.record && !write.removed
        && write.record->history_count != write.history.size())
      throw_damaged(table::instances, key, "it is missing");
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
    apply_older_requests(write, has_old_rows);
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
      put_.put(table::counts,
               count_key(partition_, static_cast<runtime_status>(status)),
               counts_[status].value_or(0)
                 + static_cast<std::uint64_t>(count_changes_[status]));
    }
  }

  /// Writes the answer to a request.
  void apply_request(const hash128& key, const pending_requests::entry& entry) {
    put_.put(table::requests, request_row_key(partition_, entry.window, key),
             entry.row);
  }

  /// Deletes at most `rows_max` answers of windows below `window`. No row of
  /// this slice is among them.
  /// @return True if none is left.
  bool remove_requests(request_window window, std::size_t rows_max) {
    if (window == 0)
      return true;
    std::vector<std::string> keys;
    bool more = false;
    {
      const std::string end = request_window_key(partition_, window);
      const auto cursor = rows_.walk(table::requests);
      more = cursor->seek(partition_key(partition_));
      for (; more && keys.size() < rows_max; more = cursor->next())
        if (cursor->key() < end)
          keys.emplace_back(cursor->key());
        else if (is_sound(*cursor, table::requests))
          break; // a damaged key hides no row behind it
      more = more && keys.size() == rows_max;
    }
    for (const std::string& key : keys)
      rows_.erase(table::requests, key);
    return !more;
  }

  /// Writes the outbox, the marks, the sizes of the windows and the
  /// `partition_meta` of a partition, after the last of its instances. The row
  /// of the partition is not read: if it is damaged while the node runs, it is
  /// written anew.
  /// @param known    What the rows of the partitions state.
  /// @param changed  Gets the new row.
  void apply_head(const pending_partition& pending,
                  const partition_metas& known, partition_metas& changed) {
    apply_outbox(pending);
    apply_request_windows(pending.requests);
    for (const auto& [from, sequence] : pending.marks)
      put_.put(table::marks, pair_key(partition_, partition_id(from)),
               sequence);
    const auto own = known.find(index_of(partition_));
    if (own == known.end())
      return;
    partition_meta& meta
      = changed.insert_or_assign(own->first, own->second).first->second;
    meta.epoch = pending.epoch;
    meta.sequence = pending.sequence;
    meta.now = pending.now;
    if (pending.anchor)
      meta.anchor = pending.anchor;
    if (pending.requests.since)
      meta.requests_since = pending.requests.since;
    if (!meta.unmatched.empty()) {
      raise_heads(pending);
      std::erase_if(meta.unmatched, [&](partition_id other) {
        return pending.marks.contains(index_of(other));
      });
    }
    for (const rule_change& each : pending.rules)
      persistence::apply(meta.rules, each);
    put_.put(table::partitions, partition_key(partition_), meta);
  }

private:
  /// Reads a count before the first change of its instances. If its row is
  /// damaged, it is restored from the index, as the index is before the change.
  void read_count(runtime_status status) {
    auto& count = counts_.at(static_cast<std::size_t>(status));
    if (!count)
      count = stored_count(rows_, partition_, status);
  }

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

  /// Merges the answers that a program before format 3 has recorded with the
  /// stored ones, in one row.
  void apply_older_requests(const instance_write& write, bool has_old_rows) {
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
      read_count(old->status);
      rows_.erase(table::by_status,
                  status_key(partition_, old->status, old->created_at, id));
      --count_changes_.at(static_cast<std::size_t>(old->status));
    }
    if (now && !same_created)
      put_.put(table::by_created, created_key(partition_, now->created_at, id),
               now->name);
    if (now && !same_status) {
      read_count(now->status);
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
      put_.put(table::due, due_key(partition_, due_of(task), id, sequence),
               static_cast<std::uint64_t>(scale_of(task)));
    else if (task.kind == task_kind::activity)
      put_.put(table::activities, activity_key(partition_, id, sequence),
               std::uint64_t{1});
  }

  /// Erases the index row of a task, if its kind has one.
  void erase_index(const instance_id& id, task_sequence sequence,
                   const open_task& task) {
    if (has_due_time(task.kind))
      rows_.erase(table::due, due_key(partition_, due_of(task), id, sequence));
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

  /// Writes the sizes of the windows and erases those of deleted windows.
  void apply_request_windows(const pending_requests& requests) {
    if (requests.removed_before > 0) {
      std::vector<std::string> keys;
      {
        const std::string end
          = request_window_key(partition_, requests.removed_before);
        const auto cursor = rows_.walk(table::request_counts);
        for (bool more = cursor->seek(partition_key(partition_));
             more && cursor->key() < end; more = cursor->next())
          keys.emplace_back(cursor->key());
      }
      for (const std::string& key : keys)
        rows_.erase(table::request_counts, key);
    }
    for (const request_count& count : requests.windows)
      put_.put(table::request_counts,
               request_window_key(partition_, count.window), count);
  }

  /// Writes the heads of an adopted partition that takes over acknowledgements
  /// of messages that it does not know.
  void raise_heads(const pending_partition& pending) {
    for (const auto& [to, sequence] : pending.outbox_acknowledged) {
      // The same flush may have written a later head, which a read of the store
      // need not show yet.
      const auto written = pending.outbox_heads.find(to);
      if (written != pending.outbox_heads.end() && written->second >= sequence)
        continue;
      const std::string key = pair_key(partition_, partition_id(to));
      if (get_row<std::uint64_t>(rows_, table::outbox_heads, key).value_or(0)
          < sequence)
        put_.put(table::outbox_heads, key, sequence);
    }
  }

  row_writer& rows_;
  typed_row_writer put_;
  partition_id partition_{};
  /// Changes of the counts of `partition_` in this slice, by status.
  std::array<std::int64_t, 8> count_changes_{};
  /// The stored counts before this slice, as far as it changes them.
  std::array<std::optional<std::uint64_t>, 8> counts_;
};

/// Reads like a writer and writes nothing.
class writer_without_writes : public row_writer {
public:
  explicit writer_without_writes(const row_reader& rows) : rows_(rows) {}

  std::optional<std::string_view> get(table t,
                                      std::string_view key) const override {
    return rows_.get(t, key);
  }

  std::unique_ptr<row_cursor> walk(table t) const override {
    return rows_.walk(t);
  }

  void put(table, std::string_view, std::string_view) override {}

  void erase(table, std::string_view) override {}

  void commit() override {}

private:
  const row_reader& rows_;
};

} // namespace

views_flush::views_flush(pending_layers pending, journal_position applied,
                         set_aside_instances set_aside, partition_metas& known)
  : pending_(std::move(pending)),
    partitions_(pending_.partitions()),
    applied_(applied),
    set_aside_(std::move(set_aside)),
    known_(known) {
  merge_next();
}

bool views_flush::slice(row_writer& rows, std::size_t instances_max) {
  // The units of all partitions of the slice.
  std::size_t units = instances_max * units_per_instance;
  begin_ = {next_, applied_writes_, applied_requests_};
  changed_.clear();
  updater update(rows);
  while (next_ != partitions_.size()) {
    update.begin(current_.partition);
    for (; applied_writes_ < current_.writes.size() && units > 0;
         units -= std::min(units, units_per_instance)) {
      const instance_write& write = *current_.writes[applied_writes_++];
      if (is_set_aside(write.id))
        typed_row_writer(rows).put(
          table::meta, set_aside_key(current_.partition, write.id, applied_),
          write);
      else
        update.apply_instance(write);
    }
    update.apply_counts();
    if (applied_writes_ < current_.writes.size())
      return false;
    for (; applied_requests_ < current_.requests.size() && units > 0; --units) {
      const auto& [key, entry] = *current_.requests[applied_requests_++];
      update.apply_request(key, entry);
    }
    if (applied_requests_ < current_.requests.size()
        || !update.remove_requests(current_.head->requests.removed_before,
                                   units))
      return false;
    update.apply_head(*current_.head, known_, changed_);
    ++next_;
    merge_next();
  }
  // Only now do the rows contain all turns up to this position.
  typed_row_writer(rows).put(table::meta, applied_key, applied_);
  return true;
}

bool views_flush::is_set_aside(const instance_id& id) const {
  return !set_aside_.empty()
         && set_aside_.contains({index_of(current_.partition), id});
}

void views_flush::note_commit() {
  for (auto& [partition, meta] : changed_)
    known_.insert_or_assign(partition, std::move(meta));
  changed_.clear();
}

void views_flush::repeat_slice() {
  next_ = begin_.partition;
  merge_next();
  applied_writes_ = begin_.writes;
  applied_requests_ = begin_.requests;
}

bool views_flush::set_aside_damaged(const row_reader& rows,
                                    std::size_t instances_max) {
  repeat_slice();
  const std::size_t before = set_aside_.size();
  writer_without_writes nothing(rows);
  updater update(nothing);
  while (next_ != partitions_.size() && instances_max > 0) {
    update.begin(current_.partition);
    for (; applied_writes_ < current_.writes.size() && instances_max > 0;
         --instances_max) {
      const instance_write& write = *current_.writes[applied_writes_++];
      if (is_set_aside(write.id))
        continue;
      try {
        update.apply_instance(write);
      } catch (const storage_exception& e) {
        if (e.reason().code != errc::storage_damaged)
          throw;
        set_aside_[{index_of(current_.partition), write.id}] = e.reason();
      }
    }
    if (applied_writes_ < current_.writes.size())
      break;
    ++next_;
    merge_next();
  }
  repeat_slice();
  return set_aside_.size() > before;
}

void write_instance(row_writer& rows, partition_id partition,
                    const instance_write& write) {
  updater update(rows);
  update.begin(partition);
  update.apply_instance(write);
  update.apply_counts();
}

/// Merges the writes of the next partition. They are in key order, because
/// adjacent rows share pages.
void views_flush::merge_next() {
  applied_writes_ = 0;
  applied_requests_ = 0;
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
