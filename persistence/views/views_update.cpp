#include "persistence/views/views_update.hpp"

#include "persistence/views/rows.hpp"

#include <algorithm>

namespace perdura::persistence {

namespace {

class updater {
public:
  explicit updater(row_writer& rows) : rows_(rows), put_(rows) {}

  void begin(partition_id partition) {
    partition_ = partition;
    counted_ = {};
  }

  void bring_up(const instance_write& write) {
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
      return bring_up_indexes(write.id, old, {});
    if (!old && !write.record)
      return; // Nothing can be put into what is not there.
    if (write.record) {
      put_.put(table::instances, key, *write.record);
      bring_up_indexes(write.id, old, write.record);
    }
    const bool rest = old && !write.removed; // Old rows may be in the way.
    bring_up_custom_status(write, rest);
    bring_up_requests(write, rest);
    bring_up_tasks(write, rest && !write.reset);
    bring_up_inbox(write, rest);
    bring_up_history(write.id, write.history_first, write.history);
  }

  /// What a slice has changed is counted in its transaction.
  void bring_up_counts() {
    for (std::size_t status = 0; status < counted_.size(); ++status) {
      if (counted_[status] == 0)
        continue;
      const std::string key
        = count_key(partition_, static_cast<runtime_status>(status));
      const auto old = get_row<std::uint64_t>(rows_, table::counts, key);
      put_.put(table::counts, key,
               old.value_or(0) + static_cast<std::uint64_t>(counted_[status]));
    }
  }

  void bring_up_head(const pending_partition& pending) {
    bring_up_outbox(pending);
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
  void bring_up_custom_status(const instance_write& write, bool rest) {
    if (!write.custom_status)
      return;
    const std::string key
      = instance_key(partition_, write.id, row_kind::custom_status);
    if (*write.custom_status != "null")
      put_.put(table::instances, key, *write.custom_status);
    else if (rest)
      rows_.erase(table::instances, key);
  }

  void bring_up_requests(const instance_write& write, bool rest) {
    if (write.requests.empty())
      return;
    const std::string key
      = instance_key(partition_, write.id, row_kind::requests);
    std::vector<request_record> kept;
    if (rest)
      kept = get_row<std::vector<request_record>>(rows_, table::instances, key)
               .value_or(kept);
    remember(kept, write.requests);
    put_.put(table::instances, key, kept);
  }

  void bring_up_tasks(const instance_write& write, bool rest) {
    const auto key_of = [&](task_sequence sequence) {
      return instance_key(partition_, write.id, row_kind::task, sequence);
    };
    const auto unindex = [&](task_sequence sequence, const std::string& key) {
      const auto old = get_row<open_task>(rows_, table::instances, key);
      if (old)
        erase_index(write.id, sequence, *old);
      return old.has_value();
    };
    if (rest)
      for (const task_closed& closed : write.tasks_closed) {
        const std::string key = key_of(closed.sequence);
        if (unindex(closed.sequence, key))
          rows_.erase(table::instances, key);
      }
    for (const auto& [sequence, task] : write.tasks_opened) {
      const std::string key = key_of(sequence);
      if (rest)
        unindex(sequence, key);
      put_.put(table::instances, key, task);
      put_index(write.id, sequence, task);
    }
  }

  void bring_up_inbox(const instance_write& write, bool rest) {
    if (rest)
      for (inbox_sequence taken : write.inbox_taken)
        rows_.erase(table::instances,
                    instance_key(partition_, write.id, row_kind::inbox, taken));
    for (const auto& [sequence, message] : write.inbox_put)
      put_.put(table::instances,
               instance_key(partition_, write.id, row_kind::inbox, sequence),
               message);
  }

  /// Halves what is too large for one row.
  void bring_up_history(const instance_id& id, event_index first,
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
      bring_up_history(id, first, {events.begin(), middle});
      bring_up_history(id, first + static_cast<event_index>(events.size() / 2),
                       {middle, events.end()});
    }
  }

  void bring_up_indexes(const instance_id& id,
                        const std::optional<instance_record>& old,
                        const std::optional<instance_record>& now) {
    const bool created = old && now && old->created_at == now->created_at
                         && old->name == now->name;
    const bool status = created && old->status == now->status;
    if (old && !created)
      rows_.erase(table::by_created,
                  created_key(partition_, old->created_at, id));
    if (old && !status) {
      rows_.erase(table::by_status,
                  status_key(partition_, old->status, old->created_at, id));
      --counted_.at(static_cast<std::size_t>(old->status));
    }
    if (now && !created)
      put_.put(table::by_created, created_key(partition_, now->created_at, id),
               now->name);
    if (now && !status) {
      put_.put(table::by_status,
               status_key(partition_, now->status, now->created_at, id),
               now->name);
      ++counted_.at(static_cast<std::size_t>(now->status));
    }
    const bool was_due = old && old->turn_due;
    const bool is_due = now && now->turn_due;
    if (was_due && !is_due)
      rows_.erase(table::turns_due, turn_due_key(partition_, id));
    if (is_due && !was_due)
      put_.put(table::turns_due, turn_due_key(partition_, id),
               std::uint64_t{1});
  }

  void put_index(const instance_id& id, task_sequence sequence,
                 const open_task& task) {
    if (is_timer(task))
      put_.put(table::due, due_key(partition_, task.fire_at, id, sequence),
               std::uint64_t{1});
    else if (task.kind == task_kind::activity)
      put_.put(table::activities, activity_key(partition_, id, sequence),
               std::uint64_t{1});
  }

  void erase_index(const instance_id& id, task_sequence sequence,
                   const open_task& task) {
    if (is_timer(task))
      rows_.erase(table::due, due_key(partition_, task.fire_at, id, sequence));
    else if (task.kind == task_kind::activity)
      rows_.erase(table::activities, activity_key(partition_, id, sequence));
  }

  static bool is_timer(const open_task& task) {
    return task.kind == task_kind::timer
           || task.kind == task_kind::scheduled_start;
  }

  /// All rows of an instance from one kind to another, both included.
  void erase_rows(const instance_id& id, row_kind first, row_kind last) {
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

  void bring_up_outbox(const pending_partition& pending) {
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
    for (const auto& [place, message] : pending.outbox)
      put_.put(table::outbox,
               outbox_key(partition_, message.to, message.sequence), message);
    for (const auto& [to, sequence] : pending.outbox_heads)
      put_.put(table::outbox_heads, pair_key(partition_, partition_id(to)),
               sequence);
  }

  row_writer& rows_;
  row_putter put_;
  partition_id partition_{};
  std::array<std::int64_t, 8> counted_{};
};

} // namespace

bringing_up::bringing_up(const pending_writes& pending,
                         journal_position applied)
  : partitions_(pending.partitions()),
    next_(partitions_.begin()),
    applied_(applied) {
  sort_writes();
}

bool bringing_up::slice(row_writer& rows, std::size_t instances_max) {
  updater update(rows);
  while (next_ != partitions_.end()) {
    update.begin(partition_id(next_->first));
    for (; written_ < writes_.size() && instances_max > 0; --instances_max)
      update.bring_up(*writes_[written_++]);
    update.bring_up_counts();
    if (written_ < writes_.size())
      return false;
    update.bring_up_head(next_->second);
    ++next_;
    sort_writes();
  }
  row_putter(rows).put(table::meta, applied_key, applied_);
  return true;
}

/// In key order: neighbours share pages.
void bringing_up::sort_writes() {
  writes_.clear();
  written_ = 0;
  if (next_ == partitions_.end())
    return;
  writes_.reserve(next_->second.instances.size());
  for (const auto& [id, write] : next_->second.instances)
    writes_.push_back(&write);
  std::sort(writes_.begin(), writes_.end(),
            [](const auto* a, const auto* b) { return a->id < b->id; });
}

void initialise(
  row_writer& rows, const hub_identity& hub, std::uint32_t lane,
  std::uint32_t format,
  const std::vector<std::pair<partition_id, partition_meta>>& partitions) {
  row_putter put(rows);
  put.put(table::meta, format_key, std::uint64_t{format});
  put.put(table::meta, hub_key, hub);
  put.put(table::meta, lane_key, std::uint64_t{lane});
  put.put(table::meta, applied_key, journal_position{0});
  for (const auto& [partition, meta] : partitions)
    put.put(table::partitions, partition_key(partition), meta);
}

} // namespace perdura::persistence
