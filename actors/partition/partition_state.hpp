// SPDX-License-Identifier: Apache-2.0
/// The state of one partition in memory.
///
/// It has two parts. The durable part mirrors what the journal holds or is
/// about to hold; only `apply` changes it, both while the partition serves and
/// during recovery. The volatile part describes work in progress; a crash
/// loses it, and recovery derives it again from the durable part.
///
/// Not thread-safe: one partition_processor owns each state.
#pragma once

#include "actors/interface/partition_counters.hpp"
#include "actors/partition/turn.hpp"
#include "persistence/views/partition_snapshot.hpp"

#include <deque>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace perdura::actors {

using persistence::due_task;
using persistence::event_index;
using persistence::journal_position;
using persistence::partition_meta;
using persistence::result;
using persistence::stored_instance;

/// Limits of one instance. If a limit is exceeded, the message of the error or
/// failure contains its name. Events and results that no turn has consumed
/// count as buffered.
inline constexpr std::size_t buffered_events_max = 10'000;
inline constexpr std::size_t buffered_bytes_max = 16U << 20;
inline constexpr event_index history_events_max = 50'000;
inline constexpr std::uint64_t history_bytes_max = 64U << 20;

/// Settings of one partition; constant while it serves.
struct partition_config {
  partition_id id{};
  std::uint32_t partition_count = 32; ///< Partitions of the task hub.

  /// Maps an instance ID and the partition count to a partition. The hub
  /// fixes the mapping when it is created. Must not be null.
  partition_id (*partition_of)(const instance_id&, std::uint32_t) = nullptr;

  /// Returns the version that a start uses: `version`, or the default version
  /// of `name` if `version` is empty. Must not be empty.
  /// @error errc::unknown_orchestrator  The name or the version is unknown.
  std::function<result<std::string>(const std::string& name,
                                    const std::string& version)>
    resolve;

  /// Returns true if the orchestrator discards events that no open wait
  /// matches, and false if it buffers them. Must not be empty.
  std::function<bool(const std::string& name)> discards_events;

  /// If true, an instance whose code does not match its history fails. If
  /// false, the instance is held until a process with matching code starts.
  bool nondeterminism_fails = false;

  /// Longest time that a message waits for the turn it causes; after that the
  /// message is committed without the turn. 20 ms is about ten commits and
  /// far longer than a turn usually takes.
  duration turn_wait_max = std::chrono::milliseconds(20);

  /// Timers due within this time are kept in memory, later ones on disk only.
  duration timer_horizon = std::chrono::minutes(10);

  /// The deletion of acknowledged outbox rows is committed with the next
  /// turn, or in a turn of its own after this time.
  duration acknowledge_wait_max = std::chrono::milliseconds(500);

  /// Number of instances kept in memory although they are idle. 128 instances
  /// in each of 32 partitions, about 6 KiB each, take 24 MiB.
  std::size_t idle_instances_max = 128;

  /// An instance that has been idle for this time is evicted from memory.
  duration idle_instance_time_max = std::chrono::seconds(30);

  /// A turn that runs longer than this is reported in the log and by
  /// `perdura list --stuck`.
  duration turn_stuck_time = std::chrono::seconds(5);
};

/// A message that an instance has received and that is not durable yet. It is
/// committed with the turn that it causes, or alone after `turn_wait_max`.
struct arrived_message {
  inbox_sequence sequence = 0; ///< Numbers the messages of one instance.
  history_event event;
  std::vector<reply_to> replies;    ///< Answered when the message is durable.
  request_id request;               ///< Empty if the request has no ID.
  std::optional<dedup_mark> source; ///< Set if another partition sent it.
  timestamp since{};                ///< When it arrived.
  bool in_turn = false; ///< The running turn has received the message.
};

/// A start that is not durable yet. It is committed with the first turn of
/// the instance, or alone after `turn_wait_max`.
struct arrived_start {
  history_event started; ///< Its body is execution_started.
  timestamp accepted_at{};
  std::vector<reply_to> replies;    ///< The requests that caused the start.
  std::vector<reply_to> joined;     ///< Later requests with get-or-start.
  std::vector<reply_to> refused;    ///< Later requests without get-or-start.
  request_id request;               ///< Empty if the request has no ID.
  std::optional<dedup_mark> source; ///< Set if another partition sent it.
};

/// Instances in memory, each with the time from which it counts as idle. The
/// list is a queue: the front is examined first for eviction.
using idle_list = std::list<std::pair<timestamp, instance_id>>;

/// One instance in memory: its durable rows and its volatile state.
struct loaded_instance {
  // Durable part; changed by `apply` only.
  /// Empty if the journal holds no such instance, because it was never started
  /// or has been purged.
  std::optional<stored_instance> durable;
  /// Position of the newest turn that wrote this instance. The rows in
  /// `durable` are on disk once the journal has reached this position.
  journal_position position = 0;

  // Volatile part.
  std::optional<arrived_start> starting; ///< A start that is not durable.
  std::vector<arrived_message> arrived;  ///< Messages that are not durable.
  inbox_sequence next_inbox = 1;         ///< Number of the next message.
  /// Messages up to this number were given to the coroutine in memory.
  inbox_sequence delivered = 0;
  turn_number number = 0; ///< Number of the last turn that was dispatched.
  timestamp turn_now{};   ///< `current_time()` of that turn.
  timestamp touched{};    ///< Last time a message concerned the instance.
  /// History of a new execution that has not run yet, so that its first turn
  /// need not read the history back from the journal.
  std::vector<history_event> first_history;
  bool turn_out = false;       ///< A turn is running.
  bool stuck_reported = false; ///< The running turn was reported as stuck.
  bool warm = false;           ///< The instance actor has the coroutine.
  bool start_due = false;      ///< The time of a scheduled start has passed.
  /// The code in this process does not match the history: no turn is
  /// dispatched until the process is restarted.
  bool held_in_process = false;
  bool queued = false; ///< The instance is in `partition_state::runnable`.
  /// The instance is in the idle list, at `idle_position`.
  bool in_idle_list = false;
  idle_list::iterator idle_position;

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

/// The whole state of one partition.
struct partition_state {
  partition_config config;

  // Durable part; changed by `apply` only. `instances` contains only the
  // instances that are in memory, and `timers` only the timers due until
  // `timers_until`. The journal contains all instances and timers.
  partition_meta meta;
  std::unordered_map<instance_id, loaded_instance> instances;
  std::map<partition_id, std::map<std::uint64_t, outbox_message>> outbox;
  /// Last outbox sequence assigned, per destination partition.
  std::map<partition_id, std::uint64_t> outbox_heads;
  /// Last message sequence accepted, per source partition.
  std::map<partition_id, std::uint64_t> marks;
  std::set<due_task> timers;
  timestamp timers_until{};

  // Volatile part.
  /// Outbox sequences acknowledged by their destinations; the deletion of the
  /// rows is not journaled yet.
  std::map<partition_id, std::uint64_t> acknowledged;
  /// Last message sequence accepted per source partition, including messages
  /// in `marks_pending`. Never less than `marks`.
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
  std::deque<std::pair<timestamp, instance_id>> turn_waits;
  partition_counters counters;

  /// Returns null if the instance is not in memory. The pointer is valid until
  /// the instance is removed from `instances`.
  loaded_instance* find(const instance_id& id) {
    auto it = instances.find(id);
    return it == instances.end() ? nullptr : &it->second;
  }
};

/// Applies the writes of one turn to the durable part; no other function
/// changes it. Writes to instances that are not in memory are skipped: the
/// journal has them.
void apply(partition_state& state, const turn_writes& writes);

/// Adds the instance to `runnable`, unless `runnable` contains it already.
void make_runnable(partition_state& state, const instance_id& id,
                   loaded_instance& loaded);

/// Returns true if the instance has an open wait for an event of that name.
/// Event names compare case-insensitively for ASCII letters.
bool awaits_event(const stored_instance& stored, std::string_view name);

/// Returns true if a turn can consume the message: always for the result of a
/// task, and for an event if the instance has an open wait for its name.
bool is_deliverable(const stored_instance& stored, const history_event& event);

/// Returns the task that a result belongs to, or nothing for any other body.
std::optional<task_sequence> task_of(const history_body& body);

} // namespace perdura::actors
