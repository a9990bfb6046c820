// SPDX-License-Identifier: Apache-2.0
/// The interface to the durable log of turns and to the tables derived from
/// that log. Nodes use the LMDB implementation; tests and the simulation use
/// the in-memory implementation.
#pragma once

#include "persistence/journal/journal_statistics.hpp"
#include "persistence/records/turn_writes.hpp"
#include "persistence/views/partition_snapshot.hpp"
#include "persistence/views/queries.hpp"

#include <functional>
#include <optional>
#include <vector>

namespace perdura::persistence {

/// Append-only log of turns, divided into lanes, and the views derived from
/// the log. A lane serves a fixed set of partitions and has its own sequence
/// of journal positions: dense, in order, from 1. A turn is durable once the
/// listener of its partition has been called with its position or a later
/// one; a durable turn survives kill -9 and a power failure.
///
/// Thread-safe, with one restriction: the turns of one partition must be
/// queued by one thread at a time.
///
/// If a sync fails, the implementation ends the process, because turns after
/// the last position that was reported to a listener may be lost. The next
/// start recovers all durable turns.
class journal {
public:
  virtual ~journal() = default;

  /// Identity of the hub that the journal stores; constant while it is open.
  virtual const hub_identity& hub() const = 0;

  /// Queues one turn for the next commit and wakes the committer thread if it
  /// is idle. A turn is committed whole or not at all. Turns that are queued
  /// while a sync is running share the following commit.
  /// @return The position of the turn in its lane.
  /// @throws std::logic_error  `writes.sequence` does not follow the sequence
  ///                           of the turn that was queued last for the same
  ///                           partition. Nothing is queued.
  virtual journal_position enqueue(turn_writes writes) = 0;

  /// Queues one turn as `enqueue` does, without waking the committer thread.
  /// The caller queues all turns of a batch and then calls `request_commit`.
  /// A commit that starts earlier for another reason may include the turn.
  virtual journal_position enqueue_deferred(turn_writes writes) {
    return enqueue(std::move(writes));
  }

  /// Requests a commit of the turns that `enqueue_deferred` has queued for a
  /// partition.
  ///
  /// With `may_block`, if the committer thread is idle, no other commit is
  /// running and the views are not far behind, the calling thread makes the
  /// commit itself and calls the listeners. Under light load this avoids two
  /// thread wake-ups. Otherwise the call returns at once, after it has woken
  /// the committer thread if that thread is idle.
  virtual void request_commit(partition_id, bool /*may_block*/) {}

  /// True if the last commit of the partition's lane contained so few turns
  /// that `request_commit` should be allowed to block.
  virtual bool is_lightly_loaded(partition_id) const {
    return false;
  }

  /// Sets the listener of a partition and replaces the previous one, which is
  /// not called any more once this function has returned.
  ///
  /// `on_durable(p)` is called after each commit that contains turns of the
  /// partition. All turns of the partition's lane up to position `p` are then
  /// durable, and `read` and `history` include them. The call runs on the
  /// thread that made the commit (see `request_commit`); it must not block
  /// and must not call `listen`.
  virtual void listen(partition_id partition,
                      std::function<void(journal_position)> on_durable)
    = 0;

  /// The newest durable position in the partition's lane; 0 means that the
  /// lane contains no turn.
  virtual journal_position durable(partition_id partition) const = 0;

  /// The durable state of one instance, without its history; empty if the
  /// instance does not exist.
  /// @error errc::storage_damaged  A row cannot be read as it was written. A
  ///                               damaged row is never reported as absent.
  virtual result<std::optional<stored_instance>>
  read(partition_id partition, const instance_id& id) const = 0;

  /// Returns at most `count_max` durable events of the instance's newest
  /// execution, in order and beginning with event `first`. The result is
  /// shorter if fewer events exist, and empty if the instance does not exist.
  /// @error errc::storage_damaged  A row cannot be read, or the rows contain
  ///                               fewer events than the instance's record
  ///                               states.
  virtual result<std::vector<history_event>>
  history(partition_id partition, const instance_id& id, event_index first = 0,
          std::size_t count_max = static_cast<std::size_t>(-1)) const = 0;

  // The answers of `load`, `due`, `query` and `count` are complete for all
  // turns that are durable when the call begins. Only `load` writes: it flushes
  // these turns to the views first, and blocks until that is done.

  /// Returns the state from which a partition recovers.
  /// @error errc::storage_damaged  A row cannot be read.
  virtual result<partition_snapshot> load(partition_id partition) = 0;

  /// Returns the timers and scheduled starts with `after` < fire_at ≤
  /// `until`, in the order of fire_at.
  /// @error errc::storage_damaged  A row cannot be read.
  virtual result<std::vector<due_task>> due(partition_id partition,
                                            timestamp after, timestamp until)
    = 0;

  /// Returns one page of the instances of the given partitions, ordered by
  /// (created_at, instance ID).
  /// @error errc::invalid_argument  `query.top` is not 1 to `page_rows_max`,
  ///                                or `query.token` is not a token of this
  ///                                program.
  /// @error errc::storage_damaged   A row cannot be read.
  virtual result<instance_page>
  query(const std::vector<partition_id>& partitions,
        const instance_query& query)
    = 0;

  /// Returns the number of instances in each status, summed over the given
  /// partitions.
  /// @error errc::storage_damaged  A row cannot be read.
  virtual result<status_counts>
  count(const std::vector<partition_id>& partitions) = 0;

  /// True while the storage is above its limit or its disk reserve has been
  /// released. The journal still accepts turns: the caller of the journal
  /// refuses new starts and events with errc::storage_full, and goes on with
  /// results, completions, terminate and purge.
  virtual bool is_full() const = 0;

  /// The counters since the journal was opened, summed over its lanes.
  virtual journal_statistics statistics() const = 0;

  /// Commits all queued turns, flushes the views and ends the threads of the
  /// journal. No other function may be called afterwards, except `close`,
  /// which then does nothing.
  virtual void close() = 0;
};

} // namespace perdura::persistence
