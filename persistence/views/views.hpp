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
#include "persistence/views/set_aside.hpp"
#include "persistence/views/views_load.hpp"
#include "persistence/views/views_query.hpp"

#include <condition_variable>
#include <memory>
#include <mutex>

namespace perdura::persistence {

class views_flush;

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

  /// Reads the applied position from the store; see `applied`. Applies the
  /// changes that were set aside, if the rows are readable again.
  /// @error errc::storage_damaged  The position is missing or damaged.
  /// @error errc::storage_format   Its row has another format version.
  result<void> open();

  /// Adds durable turns, in the order of their positions; `last` is the
  /// position of the last one. From then on `read` and `history` include them.
  void add(journal_position last, std::vector<sized_turn>&& turns);

  /// Writes to the rows everything that was added before the call. Each slice
  /// of the flush is one synced transaction. If nothing was added, there is no
  /// transaction. Only one flush runs at a time; others wait for it. An
  /// instance whose rows are damaged is set aside; see set_aside.hpp.
  /// @error errc::storage_damaged  A row that had to be read and that belongs
  ///                               to no instance is damaged.
  /// @error errc::storage_full     The disk has no space, and `end_waits` was
  ///                               called. Without that call, a flush waits for
  ///                               space.
  /// @error errc::shutting_down    The journal has crashed (tests only).
  result<void> flush();

  /// Ends the waits for space of the running flush and of later ones. The turns
  /// that are not in the rows stay in memory and in the journal. Thread-safe.
  void end_waits() {
    flushes_.waits_for_space = false;
  }

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
    return flushes_.commits;
  }

  const row_store& rows() const {
    return *rows_;
  }

  // The interfaces `state_reader` and `query_source` document the next nine
  // functions. They combine the rows with the turns in memory, except `load`,
  // which flushes first: a partition calls it once, before it serves.

  result<std::optional<stored_instance>> read(partition_id partition,
                                              const instance_id& id) const;
  result<std::vector<history_event>> history(partition_id partition,
                                             const instance_id& id,
                                             event_index first,
                                             std::size_t count_max) const;
  result<std::optional<request_row>>
  read_request(partition_id partition,
               const std::vector<request_window>& windows,
               const hash128& key) const;
  std::vector<damaged_instance> set_aside(partition_id partition) const;

  std::size_t set_aside_count() const {
    return set_aside_count_;
  }

  result<partition_snapshot> load(partition_id partition);
  result<outbox_page> outbox(partition_id partition, partition_id to,
                             std::uint64_t first, std::uint64_t last,
                             std::size_t bytes_max) const;
  result<due_range> due(partition_id partition, time_scale scale,
                        timestamp after, timestamp until) const;
  /// `after` is the position at which the previous page ended.
  result<scanned_page> query(const std::vector<partition_id>& partitions,
                             const instance_query& query,
                             const std::optional<page_position>& after) const;
  result<status_counts>
  count(const std::vector<partition_id>& partitions) const;

private:
  result<void> correct_keys();

  struct instance_snapshot;
  class whole_snapshot;
  using layer = std::shared_ptr<pending_writes>;

  /// Facts about the rows that a flush needs.
  struct stored_rows {
    partition_metas partitions;
    bool has_corrected_keys = false; ///< Set when `correct_keys` has run.
  };

  /// Read by any thread.
  struct flush_facts {
    std::atomic<std::uint64_t> commits{0}; ///< See `commits`.
    std::atomic<bool> waits_for_space{true};
  };

  struct flushing_turns {
    /// Oldest first. Immutable, so readers may keep them after releasing the
    /// mutex.
    std::vector<pending_layers::layer> layers;
    journal_position last = 0; ///< Last position in `layers`.
  };

  instance_snapshot take_snapshot(partition_id partition, const instance_id& id,
                                  bool with_history) const;
  void keep_set_aside(const set_aside_instances& instances);
  result<void> flush_one();
  result<bool> write_slice(views_flush& work, std::size_t instances_max);
  bool is_below(std::size_t bytes_max) const;
  backlog backlog_in_memory() const;
  void seal_active();

  std::unique_ptr<row_store> rows_;
  std::shared_ptr<crash_switch> crash_;
  const std::size_t slice_instances_min_;
  flush_facts flushes_;

  std::mutex flush_mutex_; // Held during a flush. Taken before `mutex_`.
  stored_rows stored_;     ///< Guarded by `flush_mutex_`.

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
  /// The turns that the running flush writes. No layers if no flush is running
  /// and none has failed.
  flushing_turns flushing_;
  journal_position applied_ = 0; ///< See `applied`.
  /// Never null; replaced as a whole.
  std::shared_ptr<const set_aside_instances> set_aside_
    = std::make_shared<const set_aside_instances>();
  std::atomic<std::size_t> set_aside_count_{0}; ///< Its size.
};

} // namespace perdura::persistence
