/// The tables that answer questions, brought up to date from the journal in
/// large batches, and in between the durable turns they do not hold yet.
///
///   journal commit ──► active ──(flush)──► flushing ──► rows
///                        └──────────┬──────────┘          │
///   read, history: rows, then flushing, then active, by `apply`
///
/// `apply` is idempotent, so a read that sees rows which hold `flushing`
/// already, and `flushing` too, is right.
#pragma once

#include "persistence/journal/crash_switch.hpp"
#include "persistence/journal/journal.hpp"
#include "persistence/stores/row_store.hpp"
#include "persistence/views/pending_writes.hpp"
#include "persistence/views/views_query.hpp"

#include <condition_variable>
#include <memory>
#include <mutex>

namespace perdura::persistence {

class views {
public:
  /// A turn and what it weighs.
  struct weighed_turn {
    turn_writes turn;
    std::size_t bytes = 0;
  };

  /// A flush writes so many instances in one transaction, or a sixteenth of
  /// what waits, up to eight times as many.
  views(std::unique_ptr<row_store> rows, std::shared_ptr<crash_switch> crash,
        std::size_t slice_instances_min);

  /// Reads how far the rows have come.
  /// @error errc::storage_damaged, errc::storage_format
  result<void> open();

  /// Durable turns up to `last`, in order. From now on reads answer with
  /// them.
  void add(journal_position last, std::vector<weighed_turn>&& turns);

  /// Brings the rows up to everything added before the call, in slices of one
  /// synced transaction each; none if there is nothing.
  result<void> flush();

  /// The rows hold everything up to here.
  journal_position applied() const;

  /// Weight and number of instances waiting in memory.
  struct backlog {
    std::size_t bytes = 0;
    std::size_t instances = 0;
  };

  backlog waiting() const;

  /// False: what waits for the rows is more than that, and they are slow.
  bool has_room(std::size_t bytes_max) const;

  /// Returns when less than `bytes_max` waits to be flushed, or on `stop`.
  void await_room(std::size_t bytes_max, const std::atomic<bool>& stop);

  std::uint64_t commits() const {
    return commits_;
  }

  const row_store& rows() const {
    return *rows_;
  }

  // As in journal.hpp; all but the first two flush first.
  result<std::optional<stored_instance>> read(partition_id partition,
                                              const instance_id& id) const;
  result<std::vector<history_event>> history(partition_id partition,
                                             const instance_id& id,
                                             event_index first,
                                             std::size_t count_max) const;
  result<partition_snapshot> load(partition_id partition);
  result<std::vector<due_task>> due(partition_id partition, timestamp after,
                                    timestamp until);
  result<scanned_page> query(const std::vector<partition_id>& partitions,
                             const instance_query& query,
                             const std::optional<page_position>& after);
  result<status_counts> count(const std::vector<partition_id>& partitions);

private:
  struct moment;

  moment look(partition_id partition, const instance_id& id,
              bool with_history) const;
  result<void> flush_one();
  bool is_below(std::size_t bytes_max) const;

  std::unique_ptr<row_store> rows_;
  std::shared_ptr<crash_switch> crash_;
  const std::size_t slice_instances_min_;
  std::atomic<std::uint64_t> commits_{0};

  std::mutex flush_mutex_; // One flush at a time; taken before mutex_.

  mutable std::mutex mutex_;
  std::condition_variable room_;
  pending_writes active_;
  journal_position active_last_ = 0;
  std::shared_ptr<const pending_writes> flushing_;
  journal_position flushing_last_ = 0;
  journal_position applied_ = 0;
};

} // namespace perdura::persistence
