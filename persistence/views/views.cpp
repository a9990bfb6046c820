// SPDX-License-Identifier: Apache-2.0
#include "persistence/views/views.hpp"

#include "persistence/process/logging.hpp"
#include "persistence/process/process_end.hpp"
#include "persistence/process/space_wait.hpp"
#include "persistence/views/instance_rows.hpp"
#include "persistence/views/outbox_rows.hpp"
#include "persistence/views/request_search.hpp"
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

/// True if the write replaces the instance, so that the result of applying it
/// does not depend on the rows or on earlier writes.
bool supersedes_rows(const instance_write& write) {
  return write.removed && write.record;
}

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
    std::vector<pending_layers::layer> layers = of.flushing_.layers;
    layers.insert(layers.end(), of.sealed_.begin(), of.sealed_.end());
    if (!of.active_->empty())
      layers.emplace_back(of.active_);
    pending_ = pending_layers(std::move(layers));
    set_aside_ = of.set_aside_;
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

  const set_aside_instances& set_aside() const {
    return *set_aside_;
  }

private:
  const views& views_;
  pending_layers pending_;
  std::shared_ptr<const set_aside_instances> set_aside_;
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
  auto partitions
    = guarded([&] { return read_partition_metas(*rows_->read()); });
  if (!partitions)
    return partitions.error();
  stored_.partitions = std::move(*partitions);
  auto left = guarded([&] { return apply_set_aside(*rows_); });
  if (!left)
    return left.error();
  std::lock_guard lock(mutex_);
  applied_ = active_last_ = **applied;
  keep_set_aside(*left);
  return {};
}

/// The caller holds `mutex_`.
void views::keep_set_aside(const set_aside_instances& instances) {
  if (instances.size() == set_aside_->size())
    return; // Instances are only added.
  for (const auto& [owner, reason] : instances)
    if (!set_aside_->contains(owner))
      log(log_channel::persistence, log_level::error,
          "instance \"" + owner.second + "\" is set aside: " + reason.message);
  set_aside_ = std::make_shared<const set_aside_instances>(instances);
  set_aside_count_ = instances.size();
}

std::vector<damaged_instance> views::set_aside(partition_id partition) const {
  std::lock_guard lock(mutex_);
  std::vector<damaged_instance> found;
  for (auto it = set_aside_->lower_bound({index_of(partition), {}});
       it != set_aside_->end() && it->first.first == index_of(partition); ++it)
    found.push_back({it->first.second, it->second.message});
  return found;
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
  std::shared_ptr<const set_aside_instances> known;
  {
    std::lock_guard lock(mutex_);
    // `flushing_` is set here only if an earlier flush has failed.
    if (flushing_.layers.empty()) {
      if (active_->empty() && sealed_.empty())
        return {};
      flushing_.layers.assign(sealed_.begin(), sealed_.end());
      sealed_.clear();
      flushing_.layers.emplace_back(
        std::exchange(active_, std::make_shared<pending_writes>()));
      flushing_.last = active_last_;
    }
    generation = pending_layers(flushing_.layers);
    last = flushing_.last;
    known = set_aside_;
  }
  // Each slice has fixed costs: it waits for the disk twice and writes the
  // pages that every slice changes. The slices are therefore larger if there
  // are many instances to write.
  const std::size_t slice
    = std::clamp(generation.instance_count() / 16, slice_instances_min_,
                 slice_instances_min_ * 8);
  if (auto corrected = correct_keys(); !corrected)
    return corrected;
  views_flush work(generation, last, *known, stored_.partitions);
  for (bool whole = false; !whole;) {
    const std::uint64_t n = flushes_.commits + 1;
    if (crash_->crashes_at(crash_point::before_views_commit, n))
      return error{errc::shutting_down, "the journal has crashed"};
    auto written = write_slice(work, slice);
    if (!written)
      return written.error();
    whole = *written;
    flushes_.commits = n;
    if (crash_->crashes_at(crash_point::after_views_commit, n))
      return error{errc::shutting_down, "the journal has crashed"};
  }
  // `flushing_` is reset under the mutex, so a read either applies `flushing_`
  // or begins its read transaction after the last commit of this flush.
  {
    std::lock_guard lock(mutex_);
    flushing_.layers.clear();
    applied_ = last;
    keep_set_aside(work.set_aside());
  }
  capacity_freed_.notify_all();
  return {};
}

/// Before the first flush: moves rows whose keys have a flipped bit to their
/// places. LMDB compares keys, so it would write a new row beside such a key to
/// a wrong place, where later searches miss the one or the other.
result<void> views::correct_keys() {
  if (stored_.has_corrected_keys)
    return {};
  const std::vector<table> tables = rows_->misordered();
  const auto correct = [&] {
    const auto rows = rows_->write();
    for (const table t : tables) {
      const std::size_t count
        = rows->correct_keys(t, [t](const row_cursor& row) {
            return is_sound(row, t) ? std::nullopt : key_before_damage(row, t);
          });
      log(log_channel::persistence, log_level::warning,
          "in table " + std::string(name_of(t)) + ", " + std::to_string(count)
            + " rows with a damaged key were moved to their places");
    }
    rows->commit();
    return true;
  };
  result<bool> done = true;
  for (space_wait space("the views"); !tables.empty();
       space.wait(done.error().message)) {
    done = guarded(correct);
    if (done.code() != errc::storage_full || !flushes_.waits_for_space)
      break;
  }
  stored_.has_corrected_keys = static_cast<bool>(done);
  if (done)
    return {};
  if (done.code() == errc::storage_failed)
    end_process("the views could not be written: " + done.error().message);
  return done.error();
}

/// Writes a slice in one transaction. If it meets damaged instances, it sets
/// them aside and writes the slice again without them. If the disk has no
/// space for it, it writes fewer instances; if there is none for one instance,
/// it waits, unless `end_waits` was called.
/// @return True if this was the last slice.
result<bool> views::write_slice(views_flush& work, std::size_t instances_max) {
  for (space_wait space("the views");;) {
    error failed;
    try {
      const auto rows = rows_->write();
      const bool whole = work.slice(*rows, instances_max);
      rows->commit();
      work.note_commit();
      return whole;
    } catch (const storage_exception& e) {
      failed = e.reason();
    }
    if (failed.code == errc::storage_full) {
      work.repeat_slice();
      if (instances_max == 1 && !flushes_.waits_for_space)
        return failed;
      if (instances_max == 1)
        space.wait(failed.message);
      instances_max = std::max<std::size_t>(instances_max / 8, 1);
      continue;
    }
    // A failed sync cannot be repeated, and a full map cannot be enlarged while
    // it is in use. The process therefore ends, and its next start recovers the
    // views from the journal.
    if (failed.code == errc::storage_failed)
      end_process("the views could not be written: " + failed.message);
    if (failed.code != errc::storage_damaged)
      return failed;
    const auto repeats = guarded(
      [&] { return work.set_aside_damaged(*rows_->read(), instances_max); });
    if (!repeats)
      return repeats.error();
    if (!*repeats)
      return failed;
  }
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
  return flushing_.layers.empty() || backlog_in_memory().bytes < bytes_max;
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
/// @throws storage_exception  The instance is set aside.
views::instance_snapshot views::take_snapshot(partition_id partition,
                                              const instance_id& id,
                                              bool with_history) const {
  std::lock_guard lock(mutex_);
  if (const auto damaged = set_aside_->find({index_of(partition), id});
      damaged != set_aside_->end())
    throw storage_exception(damaged->second);
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
  if (!flushing_.layers.empty() && needs_rows) {
    snapshot.flushing = pending_layers(flushing_.layers);
    for (auto each = flushing_.layers.rbegin(); each != flushing_.layers.rend();
         ++each)
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

result<std::optional<request_row>>
views::read_request(partition_id partition,
                    const std::vector<request_window>& windows,
                    const hash128& key) const {
  return guarded([&]() -> std::optional<request_row> {
    std::unique_ptr<row_reader> rows;
    {
      const std::lock_guard lock(mutex_);
      if (const request_row* row = active_->find_request(partition, key))
        return *row;
      for (auto each = sealed_.rbegin(); each != sealed_.rend(); ++each)
        if (const request_row* row = (*each)->find_request(partition, key))
          return *row;
      for (auto each = flushing_.layers.rbegin();
           each != flushing_.layers.rend(); ++each)
        if (const request_row* row = (*each)->find_request(partition, key))
          return *row;
      if (windows.empty())
        return std::nullopt;
      rows = rows_->read();
    }
    return find_request(*rows, partition, windows, key);
  });
}

result<partition_snapshot> views::load(partition_id partition) {
  if (const auto flushed = flush(); !flushed)
    return flushed.error();
  return guarded([&] { return load_partition(*rows_->read(), partition); });
}

result<outbox_page> views::outbox(partition_id partition, partition_id to,
                                  std::uint64_t first, std::uint64_t last,
                                  std::size_t bytes_max) const {
  return guarded([&] {
    const whole_snapshot now(*this);
    return read_outbox(now.rows(), now.pending(), partition, {to, first, last},
                       bytes_max);
  });
}

result<due_range> views::due(partition_id partition, time_scale scale,
                             timestamp after, timestamp until) const {
  return guarded([&] {
    const whole_snapshot now(*this);
    return find_due(now.rows(), now.pending(), partition, scale, after, until);
  });
}

result<scanned_page>
views::query(const std::vector<partition_id>& partitions,
             const instance_query& query,
             const std::optional<page_position>& after) const {
  return guarded([&] {
    const whole_snapshot now(*this);
    return scan({now.rows(), now.pending(), now.set_aside()}, partitions, query,
                after);
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
