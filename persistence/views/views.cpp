// SPDX-License-Identifier: Apache-2.0
#include "persistence/views/views.hpp"

#include "persistence/process/logging.hpp"
#include "persistence/views/rows.hpp"
#include "persistence/views/views_flush.hpp"

#include <algorithm>

namespace perdura::persistence {

namespace {

/// Runs `work` and converts a storage exception to a result.
template <class F>
auto guarded(F work) -> result<decltype(work())> {
  try {
    return work();
  } catch (const storage_exception& e) {
    return e.reason();
  }
}

/// Moves to the first row whose key is at or after `prefix`; false if there is
/// none. A damaged key in a page can make LMDB's binary search miss a row that
/// exists. In that case the rows before and after the result are not in order,
/// which this function detects.
/// @throws storage_exception  The rows are not in order.
bool seek_checked(row_cursor& cursor, const std::string& prefix) {
  const bool has_before = cursor.seek_before(prefix);
  if (has_before && cursor.key() >= prefix)
    throw_damaged(table::instances, cursor.key(), "it is out of order");
  const bool found = has_before ? cursor.next() : cursor.seek(prefix);
  if (found && cursor.key() < prefix)
    throw_damaged(table::instances, cursor.key(), "it is out of order");
  return found;
}

/// Checks the order of the rows around a key that was not found.
void confirm_absent(const row_reader& rows, const std::string& prefix) {
  seek_checked(*rows.walk(table::instances), prefix);
}

/// Reads the state of an instance from the rows; empty if it does not exist.
/// @throws storage_exception  A row is damaged or missing.
std::optional<stored_instance> read_instance(const row_reader& rows,
                                             partition_id partition,
                                             const instance_id& id) {
  std::optional<stored_instance> state;
  const std::string prefix = instance_prefix(partition, id);
  const auto cursor = rows.walk(table::instances);
  // The record is the first row of an instance, and the history is last.
  bool has_history = false;
  std::string last_key;
  for (bool more = seek_checked(*cursor, prefix);
       more && cursor->key().starts_with(prefix); more = cursor->next()) {
    const std::string_view key = cursor->key();
    const std::string_view row = cursor->value();
    last_key = key;
    const auto kind = static_cast<row_kind>(
      key.size() > prefix.size() ? key[prefix.size()] : 0);
    if (!state) {
      if (kind != row_kind::record)
        throw_damaged(table::instances, key, "its instance has no record");
      state.emplace();
    }
    if (kind == row_kind::history) {
      has_history = true;
      break;
    }
    const std::uint64_t number = number_of(key).value_or(0);
    switch (kind) {
    case row_kind::record:
      state->record = decode_row<instance_record>(table::instances, key, row);
      break;
    case row_kind::custom_status:
      state->custom_status
        = decode_row<std::string>(table::instances, key, row);
      break;
    case row_kind::requests:
      state->requests
        = decode_row<std::vector<request_record>>(table::instances, key, row);
      break;
    case row_kind::task:
      state->tasks.emplace(static_cast<task_sequence>(number),
                           decode_row<open_task>(table::instances, key, row));
      break;
    case row_kind::inbox:
      state->inbox.emplace(
        number, decode_row<inbox_message>(table::instances, key, row));
      break;
    default:
      throw_damaged(table::instances, key, "its kind is unknown");
    }
  }
  // The history rows are the last rows of an instance. If the walk has not
  // reached them, a damaged key may have ended it early.
  if (state && !has_history
      && (state->record.history_count > 0
          || !cursor->seek_before(after_prefix(prefix))
          || cursor->key() != last_key))
    throw_damaged(table::instances, last_key, "the rows after it are missing");
  return state;
}

/// Reads events from the rows, and checks that the rows contain as many events
/// as the record of the instance states.
std::vector<history_event> read_whole_history(const row_reader& rows,
                                              partition_id partition,
                                              const instance_id& id,
                                              event_index first,
                                              std::size_t count_max) {
  auto events = read_history(rows, partition, id, first, count_max);
  const std::string key = instance_key(partition, id, row_kind::record);
  const auto record = get_row<instance_record>(rows, table::instances, key);
  if (!record) {
    if (!events.empty())
      throw_damaged(table::instances, key, "its instance has no record");
    confirm_absent(rows, key);
  } else if (record->history_count > first
             && events.size() < std::min<std::size_t>(
                  count_max, record->history_count - first)) {
    throw_damaged(table::instances, key,
                  "history events that it counts are missing");
  }
  return events;
}

/// Applies the history changes of `write` to `events`, which begin with event
/// `first` and were read from an older state.
void overlay(std::vector<history_event>& events, event_index first,
             std::size_t count_max, const instance_write& write) {
  if (write.removed || write.reset)
    events.clear();
  std::uint64_t next_event = write.history_first;
  for (const history_event& event : write.history) {
    const std::uint64_t at = next_event++;
    if (at < first)
      continue;
    const std::uint64_t index = at - first;
    if (index >= count_max || index > events.size())
      return;
    if (index < events.size())
      events[index] = event;
    else
      events.push_back(event);
  }
}

/// True if the write replaces the instance, so that the result of applying it
/// does not depend on the rows or on earlier writes.
bool supersedes_rows(const instance_write& write) {
  return write.removed && write.record;
}

} // namespace

/// The three sources of an instance's state at one moment, in the order in
/// which they are applied.
struct views::instance_snapshot {
  /// Null if a write in memory replaces the instance.
  std::unique_ptr<row_reader> rows;
  /// The owner of the write to which `flushing` points.
  std::shared_ptr<const pending_writes> generation;
  const instance_write* flushing = nullptr; ///< Null if there is none.
  std::optional<instance_write> active;     ///< Empty if there is none.
};

views::views(std::unique_ptr<row_store> rows,
             std::shared_ptr<crash_switch> crash,
             std::size_t slice_instances_min)
  : rows_(std::move(rows)),
    crash_(std::move(crash)),
    slice_instances_min_(slice_instances_min) {}

result<void> views::open() {
  const auto applied = guarded([&] {
    return get_row<journal_position>(*rows_->read(), table::meta, applied_key);
  });
  if (!applied)
    return applied.error();
  if (!*applied)
    return error{errc::storage_damaged,
                 "the views do not contain the position that they have "
                 "reached"};
  std::lock_guard lock(mutex_);
  applied_ = active_last_ = **applied;
  return {};
}

void views::add(journal_position last, std::vector<sized_turn>&& turns) {
  std::lock_guard lock(mutex_);
  for (sized_turn& t : turns)
    active_.add(std::move(t.turn), t.bytes);
  active_last_ = last;
}

result<void> views::flush() {
  std::lock_guard lock(flush_mutex_);
  // Two passes are necessary if an earlier flush has failed: the first one
  // writes the turns of that flush, the second one writes the active turns.
  for (int i = 0; i < 2; ++i)
    if (const auto flushed = flush_one(); !flushed)
      return flushed;
  return {};
}

/// Writes the turns of a failed flush or, if there is none, the active turns.
/// After an error the turns stay in `flushing_`, and the next flush writes them
/// again. The caller holds `flush_mutex_`.
result<void> views::flush_one() {
  if (crash_->crashed())
    return error{errc::shutting_down, "the journal has crashed"};
  std::shared_ptr<const pending_writes> generation;
  journal_position last = 0;
  {
    std::lock_guard lock(mutex_);
    // `flushing_` is set here only if an earlier flush has failed.
    if (!flushing_) {
      if (active_.empty())
        return {};
      flushing_ = std::make_shared<const pending_writes>(std::move(active_));
      flushing_last_ = active_last_;
      active_ = {};
    }
    generation = flushing_;
    last = flushing_last_;
  }
  // Each slice has fixed costs: it waits for the disk twice and writes the
  // pages that every slice changes. The slices are therefore larger if there
  // are many instances to write.
  const std::size_t slice
    = std::clamp(generation->instance_count() / 16, slice_instances_min_,
                 slice_instances_min_ * 8);
  views_flush work(*generation, last);
  for (bool whole = false; !whole;) {
    const std::uint64_t n = commits_ + 1;
    if (crash_->crashes_at(crash_point::before_views_commit, n))
      return error{errc::shutting_down, "the journal has crashed"};
    try {
      const auto rows = rows_->write();
      whole = work.slice(*rows, slice);
      rows->commit();
    } catch (const storage_exception& e) {
      // A failed sync cannot be repeated, and a full map cannot be enlarged
      // while it is in use. The process therefore ends, and its next start
      // recovers the views from the journal.
      if (e.reason().code == errc::storage_failed)
        end_process("the views could not be written: " + e.reason().message);
      return e.reason();
    }
    commits_ = n;
    if (crash_->crashes_at(crash_point::after_views_commit, n))
      return error{errc::shutting_down, "the journal has crashed"};
  }
  // `flushing_` is reset under the mutex, so a read either applies `flushing_`
  // or begins its read transaction after the last commit of this flush.
  {
    std::lock_guard lock(mutex_);
    flushing_.reset();
    applied_ = last;
  }
  capacity_freed_.notify_all();
  return {};
}

journal_position views::applied() const {
  std::lock_guard lock(mutex_);
  return applied_;
}

views::backlog views::current_backlog() const {
  std::lock_guard lock(mutex_);
  return {active_.bytes(), active_.instance_count()};
}

/// The caller holds `mutex_`.
bool views::is_below(std::size_t bytes_max) const {
  return !flushing_ || active_.bytes() < bytes_max;
}

bool views::has_capacity(std::size_t bytes_max) const {
  std::lock_guard lock(mutex_);
  return is_below(bytes_max);
}

void views::await_capacity(std::size_t bytes_max,
                           const std::atomic<bool>& stop) {
  std::unique_lock lock(mutex_);
  capacity_freed_.wait(lock, [&] { return stop || is_below(bytes_max); });
}

/// Copies what memory contains for the instance and begins a read transaction,
/// both under the mutex, so that no turn is missed or seen only in part.
views::instance_snapshot views::take_snapshot(partition_id partition,
                                              const instance_id& id,
                                              bool with_history) const {
  std::lock_guard lock(mutex_);
  instance_snapshot snapshot;
  bool needs_no_rows = false;
  if (const instance_write* write = active_.find(partition, id)) {
    // A copy, because `active_` may change after the mutex is released.
    snapshot.active = with_history ? *write : without_history(*write);
    needs_no_rows = supersedes_rows(*write);
  }
  if (flushing_ && !needs_no_rows) {
    snapshot.generation = flushing_;
    snapshot.flushing = flushing_->find(partition, id);
    needs_no_rows
      = snapshot.flushing != nullptr && supersedes_rows(*snapshot.flushing);
  }
  if (!needs_no_rows)
    snapshot.rows = rows_->read();
  return snapshot;
}

result<std::optional<stored_instance>>
views::read(partition_id partition, const instance_id& id) const {
  return guarded([&] {
    const instance_snapshot snapshot = take_snapshot(partition, id, false);
    std::optional<stored_instance> state;
    if (snapshot.rows)
      state = read_instance(*snapshot.rows, partition, id);
    if (snapshot.flushing)
      apply(state, *snapshot.flushing);
    if (snapshot.active)
      apply(state, *snapshot.active);
    return state;
  });
}

result<std::vector<history_event>> views::history(partition_id partition,
                                                  const instance_id& id,
                                                  event_index first,
                                                  std::size_t count_max) const {
  return guarded([&] {
    const instance_snapshot snapshot = take_snapshot(partition, id, true);
    std::vector<history_event> events;
    if (snapshot.rows)
      events
        = read_whole_history(*snapshot.rows, partition, id, first, count_max);
    if (snapshot.flushing)
      overlay(events, first, count_max, *snapshot.flushing);
    if (snapshot.active)
      overlay(events, first, count_max, *snapshot.active);
    return events;
  });
}

result<partition_snapshot> views::load(partition_id partition) {
  if (const auto flushed = flush(); !flushed)
    return flushed.error();
  return guarded([&] {
    const auto rows = rows_->read();
    const std::string prefix = partition_key(partition);
    partition_snapshot snapshot;
    snapshot.meta = get_row<partition_meta>(*rows, table::partitions, prefix)
                      .value_or(partition_meta{});
    for_each_row(*rows, table::outbox, prefix, [&](auto key, auto row) {
      snapshot.outbox.push_back(
        decode_row<outbox_message>(table::outbox, key, row));
    });
    // Returns the second partition of a key that `pair_key` has built.
    const auto other = [](std::string_view key) {
      return partition_id(
        static_cast<std::uint32_t>(static_cast<unsigned char>(key[2]) << 8U)
        | static_cast<unsigned char>(key[3]));
    };
    for_each_row(*rows, table::outbox_heads, prefix, [&](auto key, auto row) {
      const auto sequence
        = decode_row<std::uint64_t>(table::outbox_heads, key, row);
      snapshot.outbox_marks.push_back({other(key), sequence});
    });
    for_each_row(*rows, table::marks, prefix, [&](auto key, auto row) {
      const auto sequence = decode_row<std::uint64_t>(table::marks, key, row);
      snapshot.marks.push_back({other(key), sequence});
    });
    for_each_row(*rows, table::turns_due, prefix, [&](auto key, auto) {
      snapshot.turns_due.emplace_back(key.substr(prefix.size()));
    });
    for_each_row(*rows, table::activities, prefix, [&](auto key, auto) {
      if (auto key_parts = parse_activity_key(key))
        snapshot.activities.emplace_back(std::move(key_parts->id),
                                         key_parts->sequence);
    });
    return snapshot;
  });
}

result<std::vector<due_task>> views::due(partition_id partition,
                                         timestamp after, timestamp until) {
  if (const auto flushed = flush(); !flushed)
    return flushed.error();
  return guarded([&] {
    std::vector<due_task> tasks;
    if (after >= until)
      return tasks;
    const auto rows = rows_->read();
    const auto cursor = rows->walk(table::due);
    const std::string prefix = partition_key(partition);
    // `after` is exclusive, so the walk begins one microsecond later.
    for (bool more = cursor->seek(prefix + time_key(after + duration(1)));
         more && cursor->key().starts_with(prefix); more = cursor->next()) {
      auto key_parts = parse_due_key(cursor->key());
      if (!key_parts)
        throw_damaged(table::due, cursor->key(), "its key is too short");
      if (key_parts->fire_at > until)
        break;
      tasks.push_back(
        {key_parts->fire_at, std::move(key_parts->id), key_parts->sequence});
    }
    return tasks;
  });
}

result<scanned_page> views::query(const std::vector<partition_id>& partitions,
                                  const instance_query& query,
                                  const std::optional<page_position>& after) {
  if (const auto flushed = flush(); !flushed)
    return flushed.error();
  return guarded(
    [&] { return scan(*rows_->read(), partitions, query, after); });
}

result<status_counts>
views::count(const std::vector<partition_id>& partitions) {
  if (const auto flushed = flush(); !flushed)
    return flushed.error();
  return guarded([&] {
    const auto rows = rows_->read();
    status_counts counts{};
    for (partition_id partition : partitions)
      for (std::size_t status = 0; status < counts.size(); ++status)
        counts[status]
          += get_row<std::uint64_t>(
               *rows, table::counts,
               count_key(partition, static_cast<runtime_status>(status)))
               .value_or(0);
    return counts;
  });
}

} // namespace perdura::persistence
