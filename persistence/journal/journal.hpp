/// The seam between what happens and what is remembered. LMDB stands behind
/// it on a node, a twin in memory in tests, a replicated one later.
#pragma once

#include "persistence/records/distribution.hpp"
#include "persistence/records/turn_writes.hpp"
#include "persistence/views/queries.hpp"

#include <functional>
#include <optional>
#include <vector>

namespace perdura::persistence {

struct due_task {
  timestamp fire_at{};
  instance_id instance;
  task_sequence sequence = 0;

  auto operator<=>(const due_task&) const = default;
};

/// What a partition needs to go on, and no more: it does not grow with the
/// number of dormant instances.
struct partition_snapshot {
  partition_meta meta;
  std::vector<outbox_message> outbox;    ///< Not acknowledged, in order.
  std::vector<outbox_mark> outbox_marks; ///< Last sequence given out, per to.
  std::vector<dedup_mark> marks;
  std::vector<instance_id> turns_due; ///< record.turn_due is set.
  std::vector<std::pair<instance_id, task_sequence>> activities; ///< Open.
};

struct journal_statistics {
  std::uint64_t commits = 0;       ///< Of the journal, since open.
  std::uint64_t views_commits = 0; ///< Of the views, since open.
  std::uint64_t turns = 0;
  std::uint64_t bytes = 0;
  distribution commit_turns;   ///< How many turns a commit carried.
  distribution commit_time_us; ///< Writing and syncing.
};

/// A lane set's ledger and its views. Whatever it has acknowledged survives
/// kill -9 and a power cut. Safe to call from any thread, except that turns
/// of one partition are enqueued by one thread at a time.
class journal {
public:
  virtual ~journal() = default;

  virtual const hub_identity& hub() const = 0;

  /// Queues one turn, whole or not at all, and returns its place. Turns that
  /// are queued while one sync runs share the next.
  virtual journal_position enqueue(turn_writes writes) = 0;

  /// The same for a caller that puts several together: nobody is woken for
  /// them before it calls `gathered`.
  virtual journal_position gather(turn_writes writes) {
    return enqueue(std::move(writes));
  }

  /// What was gathered for this partition is to be committed: on the caller's
  /// thread, listeners and all, if it may block and nobody else commits just
  /// now; that spares two wake-ups where there is little to do.
  virtual void gathered(partition_id, bool /*may_block*/) {}

  /// Whether there is so little to do that it pays to let `gathered` block.
  virtual bool is_quiet(partition_id) const {
    return false;
  }

  /// `on_durable(p)` tells, on the committer's thread, that everything up to
  /// `p` of this partition's lane is on disk, in the views' reach, and that
  /// `read` and `history` answer with it. One listener a partition; it is
  /// called only for commits that hold turns of that partition.
  virtual void listen(partition_id partition,
                      std::function<void(journal_position)> on_durable)
    = 0;

  /// The newest place that is durable in the partition's lane.
  virtual journal_position durable(partition_id partition) const = 0;

  /// What is durable of one instance; empty if there is none.
  /// @error errc::storage_damaged  A row's checksum does not fit.
  virtual result<std::optional<stored_instance>>
  read(partition_id partition, const instance_id& id) const = 0;

  /// Durable events of the newest execution from `first` on, at most
  /// `count_max`; fewer if there are no more.
  virtual result<std::vector<history_event>>
  history(partition_id partition, const instance_id& id, event_index first = 0,
          std::size_t count_max = static_cast<std::size_t>(-1)) const = 0;

  /// What recovery starts from. Complete for everything durable at the call.
  virtual result<partition_snapshot> load(partition_id partition) = 0;

  /// Timers and scheduled starts with `after` < fire_at ≤ `until`, in order.
  /// Complete for everything durable at the call.
  virtual result<std::vector<due_task>> due(partition_id partition,
                                            timestamp after, timestamp until)
    = 0;

  /// One page over the given partitions, merged; complete for everything
  /// durable at the call. Blocks while the views catch up.
  virtual result<instance_page>
  query(const std::vector<partition_id>& partitions,
        const instance_query& query)
    = 0;

  virtual result<status_counts>
  count(const std::vector<partition_id>& partitions) = 0;

  /// New starts and events are refused while this is true (storage_full);
  /// results, completions, terminate and purge may use the reserve.
  virtual bool is_full() const = 0;

  virtual journal_statistics statistics() const = 0;

  /// Makes everything queued durable and the views complete, then stops.
  /// Further calls are errors of the caller.
  virtual void close() = 0;
};

} // namespace perdura::persistence
