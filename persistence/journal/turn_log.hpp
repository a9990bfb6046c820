// SPDX-License-Identifier: Apache-2.0
/// The writing side of the journal: queues turns, makes them durable and
/// reports the durable position. Partitions write through this interface.
#pragma once

#include "persistence/records/turn_writes.hpp"
#include <perdura/persistence/stores/storage_space.hpp>

#include <functional>
#include <optional>

namespace perdura::persistence {

/// Append-only log of turns, divided into lanes. A lane serves a fixed set of
/// partitions and has its own sequence of journal positions: dense, in order,
/// from 1. A turn is durable once its position or a later one has been
/// reported for its partition, by the listener or by `request_commit`; a
/// durable turn survives kill -9 and a power failure.
///
/// Thread-safe, with one restriction: `append` and `request_commit` for one
/// partition must be called by one thread at a time.
///
/// If a sync fails, the implementation ends the process, because turns after
/// the last position that was reported may be lost. The next start recovers
/// all durable turns.
class turn_log {
public:
  virtual ~turn_log() = default;

  /// Queues one turn. A turn is committed whole or not at all. The call starts
  /// no commit: the caller appends all turns of a batch and then calls
  /// `request_commit`. A commit that starts earlier for another reason may
  /// include the turn. Turns that are queued while a sync is running share the
  /// following commit.
  /// @return The position of the turn in its lane.
  /// @throws std::logic_error  `turn.sequence` does not follow the sequence of
  ///                           the turn that was queued last for the same
  ///                           partition. Nothing is queued.
  virtual journal_position append(turn_writes turn) = 0;

  /// Requests a commit of the turns that are queued for a partition. Normally
  /// the call returns at once, after it has woken the committer thread if that
  /// thread is idle.
  ///
  /// With `may_block`, the calling thread makes the commit itself if the load
  /// is light, the committer thread is idle, no other commit is running and
  /// the views are not far behind. This saves two wake-ups of threads. The
  /// listeners of the other partitions in this commit are called; for the
  /// calling partition, the result replaces the call of its listener.
  /// @return If the calling thread has made a commit: its position, as
  ///         `on_durable` in `listen` describes it. Otherwise empty.
  virtual std::optional<journal_position> request_commit(partition_id partition,
                                                         bool may_block)
    = 0;

  /// Sets the listener of a partition and replaces the previous one, which is
  /// not called any more once this function has returned. An empty function
  /// removes the listener.
  ///
  /// `on_durable(p)` is called after each commit that contains turns of the
  /// partition, except a commit that the partition's own `request_commit` has
  /// made. All turns of the partition's lane up to position `p` are then
  /// durable, and the reads of `state_reader` include them. The call runs on
  /// the thread that made the commit; it must not block and must not call
  /// `listen`.
  virtual void listen(partition_id partition,
                      std::function<void(journal_position)> on_durable)
    = 0;

  /// The newest durable position in the partition's lane; 0 means that the
  /// lane contains no turn.
  virtual journal_position durable(partition_id partition) const = 0;

  /// True while the storage is above its limit or the disk is full. Turns are
  /// still accepted: the caller refuses new starts and events with
  /// errc::storage_full, and goes on with results, completions, terminate and
  /// purge.
  virtual bool is_full() const = 0;

  /// The newest measurement of the storage. Does not measure, and does not wait
  /// for the disk.
  virtual storage_space space() const = 0;
};

} // namespace perdura::persistence
