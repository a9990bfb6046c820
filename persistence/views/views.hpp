// SPDX-License-Identifier: Apache-2.0
/// The views of one lane: tables derived from the journal, from which all
/// reads and queries are answered. Durable turns first accumulate in memory;
/// a flush writes a large batch of them to the tables.
///
///   journal commit ──► active ──► sealed ──(flush)──► flushing ──► rows
///                        └───────────┴────────┬──────────┘          │
///   a read combines: rows, then flushing, then sealed, then active
///
/// A query holds the turns in memory without copying them. While it does, new
/// turns go into a new `active`, and the held one becomes `sealed`.
///
/// `apply` is idempotent. A read always applies all of `flushing`, and is
/// correct even if the rows contain a part of `flushing` already. No read
/// writes anything, except `load`.
#pragma once

#include "persistence/process/crash_switch.hpp"
#include "persistence/stores/row_store.hpp"
#include "persistence/views/partition_snapshot.hpp"
#include "persistence/views/pending_writes.hpp"
#include "persistence/views/views_query.hpp"

#include <condition_variable>
#include <memory>
#include <mutex>

namespace perdura::persistence {

/// Thread-safe, except that `open` is called once, before any other function,
/// and that `add` is called by one thread at a time.
///
/// Invariants:
/// - Each turn that was added is in exactly one of `active_`, `sealed_`,
///   `flushing_` and the rows, or, during a flush, in `flushing_` and the rows.
/// - The rows contain all turns up to the position `applied()`. This position
///   is also stored; the last transaction of a flush updates it. If a flush is
///   interrupted by a crash, the next start applies all turns after the stored
///   position again.
///
/// If a flush fails with errc::storage_failed, the process ends: a failed sync
/// cannot be repeated, and the journal still contains the turns.
class views {
public:
  /// A turn and the size of its encoding in bytes. The size of the backlog is
  /// the sum of these sizes.
  struct sized_turn {
    turn_writes turn;
    std::size_t bytes = 0;
  };

  /// Each transaction of a flush writes one sixteenth of all instances of the
  /// flush, but at least `slice_instances_min` instances and at most 8 ×
  /// `slice_instances_min` instances.
  views(std::unique_ptr<row_store> rows, std::shared_ptr<crash_switch> crash,
        std::size_t slice_instances_min);

  /// Reads the applied position from the store; see `applied`.
  /// @error errc::storage_damaged  The position is missing or damaged.
  /// @error errc::storage_format   Its row has another format version.
  result<void> open();

  /// Adds durable turns, in the order of their positions; `last` is the
  /// position of the last one. From then on `read` and `history` include them.
  void add(journal_position last, std::vector<sized_turn>&& turns);

  /// Writes to the rows everything that was added before the call. Each slice
  /// of the flush is one synced transaction. If nothing was added, there is no
  /// transaction. Only one flush runs at a time; others wait for it.
  /// @error errc::storage_damaged  A row that had to be read is damaged.
  /// @error errc::shutting_down    The journal has crashed (tests only).
  result<void> flush();

  /// The rows contain all turns up to this position.
  journal_position applied() const;

  /// The turns in memory that no flush has begun to write.
  struct backlog {
    std::size_t bytes = 0;
    std::size_t instances = 0; ///< Instances that these turns change.
  };

  backlog current_backlog() const;

  /// False if a flush is running and the turns that wait for the next flush
  /// have reached `bytes_max` bytes.
  bool has_capacity(std::size_t bytes_max) const;

  /// Blocks until `has_capacity(bytes_max)` is true or `stop` is set. A change
  /// of `stop` is noticed at the end of the running flush.
  void await_capacity(std::size_t bytes_max, const std::atomic<bool>& stop);

  /// Number of synced transactions since construction.
  std::uint64_t commits() const {
    return commits_;
  }

  const row_store& rows() const {
    return *rows_;
  }

  // The interfaces `state_reader` and `query_source` document the next six
  // functions. They combine the rows with the turns in memory, except `load`,
  // which flushes first: a partition calls it once, before it serves.

  result<std::optional<stored_instance>> read(partition_id partition,
                                              const instance_id& id) const;
  result<std::vector<history_event>> history(partition_id partition,
                                             const instance_id& id,
                                             event_index first,
                                             std::size_t count_max) const;
  result<partition_snapshot> load(partition_id partition);
  result<std::vector<due_task>> due(partition_id partition, timestamp after,
                                    timestamp until) const;
  /// `after` is the position at which the previous page ended.
  result<scanned_page> query(const std::vector<partition_id>& partitions,
                             const instance_query& query,
                             const std::optional<page_position>& after) const;
  result<status_counts>
  count(const std::vector<partition_id>& partitions) const;

private:
  struct instance_snapshot;
  class whole_snapshot;
  using layer = std::shared_ptr<pending_writes>;

  instance_snapshot take_snapshot(partition_id partition, const instance_id& id,
                                  bool with_history) const;
  result<void> flush_one();
  bool is_below(std::size_t bytes_max) const;
  backlog backlog_in_memory() const;
  void seal_active();

  std::unique_ptr<row_store> rows_;
  std::shared_ptr<crash_switch> crash_;
  const std::size_t slice_instances_min_;
  std::atomic<std::uint64_t> commits_{0};

  std::mutex flush_mutex_; // Held during a flush. Taken before `mutex_`.

  // Guards the members below. A read holds this mutex while it begins its read
  // transaction and copies the turns in memory, so that no flush can end
  // between these two steps.
  mutable std::mutex mutex_;
  std::condition_variable capacity_freed_;
  /// Turns are added here. Never null. A query may hold it; then it is sealed
  /// before the next turn is added.
  layer active_ = std::make_shared<pending_writes>();
  journal_position active_last_ = 0; ///< Last position that was added.
  /// Former `active_` layers, oldest first.
  std::vector<layer> sealed_;
  /// The turns that the running flush writes, oldest first. Empty if no flush
  /// is running and none has failed. Immutable, so readers may keep them after
  /// releasing the mutex.
  std::vector<pending_layers::layer> flushing_;
  journal_position flushing_last_ = 0; ///< Last position in `flushing_`.
  journal_position applied_ = 0;       ///< See `applied`.
};

} // namespace perdura::persistence
