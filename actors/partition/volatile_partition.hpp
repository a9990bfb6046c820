// SPDX-License-Identifier: Apache-2.0
/// The volatile side of a partition: the work in progress. A crash loses it,
/// and recovery derives it again from the durable side. Steps may change it.
///
/// Not thread-safe: one partition_processor owns each state.
#pragma once

#include "actors/interface/partition_counters.hpp"
#include "actors/partition/durable_partition.hpp"
#include "actors/partition/idle_queue.hpp"
#include "actors/partition/outbox_age.hpp"
#include "actors/partition/turn.hpp"
#include "persistence/views/partition_snapshot.hpp"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace perdura::actors {

using persistence::due_task;
using persistence::elapsed_time;
using persistence::journal_position;
using persistence::request_identity;
using persistence::tree_place;

/// A message that an instance has received and that is not durable yet. It is
/// committed with the turn that it causes, or alone after `turn_wait_max`.
struct arrived_message {
  inbox_sequence sequence = 0; ///< Numbers the messages of one instance.
  history_event event;
  std::vector<reply_to> replies;    ///< Answered when the message is durable.
  request_identity request;         ///< False if the request has no ID.
  std::optional<dedup_mark> source; ///< Set if another partition sent it.
  elapsed_time since{};             ///< Set by `enqueue_message`.
  bool in_turn = false; ///< The running turn has received the message.
  /// The request of a start_or_raise, without the data of the event; null for
  /// other messages. If the instance ends without the event, the request is
  /// handled again and starts a new one.
  std::shared_ptr<start_or_raise> start;
  /// The request has caused the start that is not durable yet: both become
  /// durable with the same turn.
  bool starts = false;
};

/// A get-or-start request for an instance whose start is not durable yet.
struct joined_start {
  reply_to from;
  request_identity request; ///< False if the request has no ID.
};

/// A start that is not durable yet. It is committed with the first turn of
/// the instance, or alone after `turn_wait_max`.
struct arrived_start {
  history_event started;            ///< Its body is execution_started.
  tree_place place;                 ///< Set for sub-orchestrations.
  timestamp accepted_at{};          ///< By the wall clock.
  elapsed_time since{};             ///< The same moment.
  std::vector<reply_to> replies;    ///< The requests that caused the start.
  std::vector<joined_start> joined; ///< Later requests with get-or-start.
  std::vector<reply_to> refused;    ///< Later requests without get-or-start.
  request_identity request;         ///< False if the request has no ID.
  std::optional<dedup_mark> source; ///< Set if another partition sent it.
};

/// The volatile state of one instance in memory.
struct live_instance {
  /// The key of this instance in `volatile_partition::instances`.
  const instance_id* id = nullptr;
  /// Position of the newest turn that wrote this instance. Its durable rows are
  /// on disk once the journal has reached this position.
  journal_position position = 0;
  std::optional<arrived_start> starting; ///< A start that is not durable.
  std::vector<arrived_message> arrived;  ///< Messages that are not durable.
  inbox_sequence next_inbox = 1;         ///< Number of the next message.
  /// Messages up to this number were given to the coroutine in memory.
  inbox_sequence delivered = 0;
  turn_number number = 0;      ///< Number of the last turn that was dispatched.
  timestamp turn_now{};        ///< `current_time()` of that turn.
  elapsed_time turn_elapsed{}; ///< The elapsed time of that turn.
  elapsed_time touched{};      ///< Last time a message concerned the instance.
  std::uint64_t bytes = 0;     ///< As counted by `memory_bytes_of`.
  /// History of a new execution that has not run yet, so that its first turn
  /// need not read the history back from the journal.
  std::vector<history_event> first_history;
  bool turn_out = false;       ///< A turn is running.
  bool stuck_reported = false; ///< The running turn was reported as stuck.
  bool warm = false;           ///< The instance actor has the coroutine.
  bool start_due = false;      ///< The time of a scheduled start has passed.
  /// A turn is due for an event for which no stored wait is open, because newer
  /// code may wait for it.
  bool event_due = false;
  /// The code in this process does not match the history: no turn is
  /// dispatched until the process is restarted.
  bool held_in_process = false;
  bool queued = false; ///< The instance is in `volatile_partition::runnable`.
  /// The instance has waited for space in an outbox: its turn may go before
  /// those that still wait.
  bool passes_outbox_waits = false;
  idle_entry idle; ///< Its place in the queue of the eviction.

  /// True if the instance must stay in memory: a turn is running or due, or
  /// messages are not durable yet.
  bool busy() const {
    return turn_out || starting || !arrived.empty() || queued;
  }
};

/// A message from another partition that was accepted but is not durable yet.
struct pending_mark {
  std::uint64_t sequence = 0; ///< The message's sequence.
  instance_id instance;       ///< The instance that received the message.
};

/// A client that waits until an instance has started or finished.
struct waiter {
  reply_to to;
  wait_for what = wait_for::finished;
};

/// The open timers and scheduled starts of one scale that are due until `until`
/// and have not fired in this process. The journal contains all of them.
struct timer_queue {
  std::set<due_task> tasks;
  timestamp until{};
};

/// An instance whose next turn waits for space in the outbox to a destination.
struct outbox_wait {
  instance_id instance;
  std::uint64_t messages = 0; ///< That the turn would add, when it ran last.
};

/// A destination whose outbox has reached `partition_config::
/// outbox_messages_max`, until it has space and no turn waits any more.
struct full_outbox {
  std::deque<outbox_wait> turns; ///< In the order in which they will run.
  /// The last sequence when the turns that need wait no longer have added their
  /// messages; 0 if there are no such turns.
  std::uint64_t expected_last = 0;
};

/// The work in progress of one partition.
struct volatile_partition {
  /// The elapsed time of the current batch. The processor sets it before it
  /// calls a step.
  elapsed_time now{};
  /// The instances in memory. The addresses of the elements are stable.
  std::unordered_map<instance_id, live_instance> instances;
  std::uint64_t bytes = 0; ///< Sum over `instances`.
  timer_queue timers;      ///< Due by the elapsed time.
  timer_queue wall_timers; ///< Due by the wall clock.
  /// False if no timer is open that is due after `timers.until`.
  bool has_later_timers = false;
  /// Outbox sequences acknowledged by their destinations; the deletion of the
  /// rows is not journaled yet.
  std::map<partition_id, std::uint64_t> acknowledged;
  /// The destinations with a full outbox; usually empty.
  std::map<partition_id, full_outbox> full_outboxes;
  /// The instances in `full_outboxes`, with the destination.
  std::unordered_map<instance_id, partition_id> outbox_waits;
  std::map<partition_id, outbox_age> outbox_ages;
  /// Last message sequence accepted per source partition, including messages
  /// in `marks_pending`. Never less than `durable_partition::marks`.
  std::map<partition_id, std::uint64_t> marks_accepted;
  /// Accepted messages that are not durable, ascending per source partition.
  std::map<partition_id, std::deque<pending_mark>> marks_pending;
  std::unordered_map<instance_id, std::vector<waiter>> waiters;
  /// Instances that may have a turn due; examined at the end of each batch.
  std::vector<instance_id> runnable;
  /// Instances whose coroutines are released at the end of the batch.
  std::vector<instance_id> runs_to_drop;
  /// Arrival time and instance of each start and message that was not durable
  /// on arrival, in order of arrival. An entry whose turn has run is removed
  /// only when it is at the front.
  std::deque<std::pair<elapsed_time, instance_id>> turn_waits;
  /// The start_or_raise requests whose instance has ended without their events.
  /// The processor handles them again after the turn that ended it.
  std::vector<arrived_message> unraised;
  partition_counters counters;

  /// Returns null if the instance is not in memory. The pointer is valid until
  /// the instance is removed from `instances`.
  live_instance* find(const instance_id& id) {
    const auto found = instances.find(id);
    return found == instances.end() ? nullptr : &found->second;
  }

  /// The timers and scheduled starts of a scale.
  timer_queue& timers_of(persistence::time_scale scale) {
    return scale == persistence::time_scale::elapsed ? timers : wall_timers;
  }

  /// Returns the instance, added to `instances` if it is not in memory.
  live_instance& add(const instance_id& id) {
    const auto [it, fresh] = instances.try_emplace(id);
    if (fresh)
      it->second.id = &it->first;
    return it->second;
  }
};

/// One instance in memory: its durable rows, which no step can change, and its
/// volatile state. False if the instance is not in memory.
struct loaded_instance {
  /// Null if the journal holds no such instance, because it was never started
  /// or has been purged. Valid until the next call of the durable_store.
  const stored_instance* durable = nullptr;
  live_instance* live = nullptr;

  explicit operator bool() const {
    return live != nullptr;
  }
};

loaded_instance find(const durable_partition& durable, volatile_partition& live,
                     const instance_id& id);

/// Adds the instance to `runnable`, unless `runnable` contains it already.
void make_runnable(volatile_partition& live, live_instance& instance);

/// Returns the size of the parts of the rows that grow without a fixed limit:
/// inbox, open tasks and custom status, in bytes.
std::uint64_t memory_bytes_of(const stored_instance& stored);

/// Sets the size of an instance and updates the sum.
void set_bytes(volatile_partition& live, live_instance& instance,
               std::uint64_t bytes);

/// Updates the sizes of the instances that the turn writes. To be called before
/// the turn is applied to `durable`. The cost depends on the size of the turn,
/// not on the size of the rows.
void follow_bytes(volatile_partition& live, const durable_partition& durable,
                  const turn_writes& writes);

/// Updates the timers for the tasks that the turn opens and closes. To be
/// called before the turn is applied to `durable`.
void follow_timers(volatile_partition& live, const durable_partition& durable,
                   const turn_writes& writes);

} // namespace perdura::actors
