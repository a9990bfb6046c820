// SPDX-License-Identifier: Apache-2.0
#include "persistence/views/views.hpp"

#include "persistence/process/logging.hpp"
#include "persistence/views/rows.hpp"
#include "persistence/views/views_flush.hpp"

#include <algorithm>
#include <deque>
#include <utility>

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
  // A damaged key can make the search from the front miss all rows. The search
  // from behind takes another way through the pages.
  if (!state && cursor->seek_before(after_prefix(prefix))
      && cursor->key().starts_with(prefix))
    throw_damaged(table::instances, cursor->key(), "it is out of order");
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

/// True if the write replaces the instance, so that the result of applying it
/// does not depend on the rows or on earlier writes.
bool supersedes_rows(const instance_write& write) {
  return write.removed && write.record;
}

} // namespace

namespace {

// `views` merges two neighbouring sealed layers into one when there are more
// layers than the first number, unless the newer one changes more instances
// than the second: the merge blocks commits.
constexpr std::size_t sealed_layers_max = 8;
constexpr std::size_t merged_instances_max = 256;

} // namespace

/// The sources of an instance's state at one moment.
struct views::instance_snapshot {
  /// Null if a write in memory replaces the instance.
  std::unique_ptr<row_reader> rows;
  /// Owns the writes of the running flush.
  pending_layers flushing;
  /// The writes in memory, in the order in which they are applied after the
  /// rows. They point into `flushing` or to `copies`.
  std::vector<const instance_write*> writes;
  std::deque<instance_write> copies;
};

/// All turns in memory and a read transaction, taken at one moment.
class views::whole_snapshot {
public:
  explicit whole_snapshot(const views& of) : views_(of) {
    const std::lock_guard lock(of.mutex_);
    std::vector<pending_layers::layer> layers = of.flushing_;
    layers.insert(layers.end(), of.sealed_.begin(), of.sealed_.end());
    if (!of.active_->empty())
      layers.emplace_back(of.active_);
    pending_ = pending_layers(std::move(layers));
    rows_ = of.rows_->read();
  }

  /// The layers are released under the mutex: `add` changes a layer only if it
  /// sees, under the mutex, that no query holds it. A layer that has no other
  /// owner is destroyed after the mutex is released, because that takes long.
  ~whole_snapshot() {
    rows_.reset();
    std::vector<pending_layers::layer> last_owned;
    const std::lock_guard lock(views_.mutex_);
    for (pending_layers::layer& each : std::move(pending_).release())
      if (each.use_count() == 1)
        last_owned.push_back(std::move(each));
      else
        each.reset();
  }

  whole_snapshot(const whole_snapshot&) = delete;
  whole_snapshot& operator=(const whole_snapshot&) = delete;

  const row_reader& rows() const {
    return *rows_;
  }

  const pending_layers& pending() const {
    return pending_;
  }

private:
  const views& views_;
  pending_layers pending_;
  std::unique_ptr<row_reader> rows_;
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
  if (active_.use_count() > 1)
    seal_active();
  for (sized_turn& t : turns)
    active_->add(std::move(t.turn), t.bytes);
  active_last_ = last;
}

/// Begins a new active layer. Layers that no query holds are merged if there
/// are many. The caller holds `mutex_`.
void views::seal_active() {
  sealed_.push_back(std::exchange(active_, std::make_shared<pending_writes>()));
  for (std::size_t i = 0;
       i + 1 < sealed_.size() && sealed_.size() > sealed_layers_max;) {
    layer& older = sealed_[i];
    layer& newer = sealed_[i + 1];
    if (older.use_count() > 1 || newer.use_count() > 1
        || newer->instance_count() > merged_instances_max) {
      ++i;
      continue;
    }
    older->absorb(std::move(*newer));
    sealed_.erase(sealed_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    break; // one merge for each new layer keeps their number
  }
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
  pending_layers generation;
  journal_position last = 0;
  {
    std::lock_guard lock(mutex_);
    // `flushing_` is set here only if an earlier flush has failed.
    if (flushing_.empty()) {
      if (active_->empty() && sealed_.empty())
        return {};
      flushing_.assign(sealed_.begin(), sealed_.end());
      sealed_.clear();
      flushing_.emplace_back(
        std::exchange(active_, std::make_shared<pending_writes>()));
      flushing_last_ = active_last_;
    }
    generation = pending_layers(flushing_);
    last = flushing_last_;
  }
  // Each slice has fixed costs: it waits for the disk twice and writes the
  // pages that every slice changes. The slices are therefore larger if there
  // are many instances to write.
  const std::size_t slice
    = std::clamp(generation.instance_count() / 16, slice_instances_min_,
                 slice_instances_min_ * 8);
  views_flush work(generation, last);
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
    flushing_.clear();
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
  return backlog_in_memory();
}

/// The caller holds `mutex_`.
views::backlog views::backlog_in_memory() const {
  backlog sum{active_->bytes(), active_->instance_count()};
  for (const layer& each : sealed_) {
    sum.bytes += each->bytes();
    sum.instances += each->instance_count();
  }
  return sum;
}

/// The caller holds `mutex_`.
bool views::is_below(std::size_t bytes_max) const {
  return flushing_.empty() || backlog_in_memory().bytes < bytes_max;
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
  bool needs_rows = true;
  // Collects from the newest layer to the oldest, and stops at a write that
  // replaces the instance. Layers that may change later are copied.
  const auto collect = [&](const pending_writes& from, bool is_constant) {
    const instance_write* write
      = needs_rows ? from.find(partition, id) : nullptr;
    if (write == nullptr)
      return;
    needs_rows = !supersedes_rows(*write);
    if (!is_constant)
      write = &snapshot.copies.emplace_back(
        with_history ? *write : without_history(*write));
    snapshot.writes.push_back(write);
  };
  collect(*active_, false);
  for (auto each = sealed_.rbegin(); each != sealed_.rend(); ++each)
    collect(**each, false);
  if (!flushing_.empty() && needs_rows) {
    snapshot.flushing = pending_layers(flushing_);
    for (auto each = flushing_.rbegin(); each != flushing_.rend(); ++each)
      collect(**each, true);
  }
  std::reverse(snapshot.writes.begin(), snapshot.writes.end());
  if (needs_rows)
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
    for (const instance_write* write : snapshot.writes)
      apply(state, *write);
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
    for (const instance_write* write : snapshot.writes)
      overlay_history(events, first, count_max, *write);
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

result<std::vector<due_task>>
views::due(partition_id partition, timestamp after, timestamp until) const {
  return guarded([&] {
    const whole_snapshot now(*this);
    return find_due(now.rows(), now.pending(), partition, after, until);
  });
}

result<scanned_page>
views::query(const std::vector<partition_id>& partitions,
             const instance_query& query,
             const std::optional<page_position>& after) const {
  return guarded([&] {
    const whole_snapshot now(*this);
    return scan(now.rows(), now.pending(), partitions, query, after);
  });
}

result<status_counts>
views::count(const std::vector<partition_id>& partitions) const {
  return guarded([&] {
    const whole_snapshot now(*this);
    return count_instances(now.rows(), now.pending(), partitions);
  });
}

} // namespace perdura::persistence
