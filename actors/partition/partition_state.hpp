/// A partition in memory. It has two sides: what is durable or on its way to
/// the disk, changed by `apply` alone, live and in recovery; and the *desk*,
/// what is under way, which a crash forgets and recovery derives again.
#pragma once

#include "actors/partition/turn.hpp"
#include "persistence/journal/journal.hpp"

#include <deque>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace perdura::actors {

/// Limits that an instance lives under; each failure names its limit.
inline constexpr std::size_t buffered_events_max = 10'000;
inline constexpr std::size_t buffered_bytes_max = 16U << 20;
inline constexpr event_index history_events_max = 50'000;
inline constexpr std::uint64_t history_bytes_max = 64U << 20;

struct partition_config {
  partition_id id{};
  std::uint32_t partition_count = 32;

  /// Where an instance lives; fixed with the hub.
  partition_id (*partition_of)(const instance_id&, std::uint32_t) = nullptr;

  /// The version a start gets: the one asked for or the default one.
  /// @error errc::unknown_orchestrator
  std::function<result<std::string>(const std::string& name,
                                    const std::string& version)>
    resolve;

  /// Whether an orchestrator wants events that nobody waits for discarded
  /// (the seed's letter) instead of buffered.
  std::function<bool(const std::string& name)> discards_events;

  /// Fail an instance whose code does not fit its history, instead of holding
  /// it until code that fits returns.
  bool nondeterminism_fails = false;

  /// A message waits this long for the turn it causes before it is made
  /// durable alone. 20 ms: some ten commits, far above a turn's usual time.
  duration turn_wait_max = std::chrono::milliseconds(20);

  /// Timers due within it are held in memory, the rest in their view.
  duration timer_horizon = std::chrono::minutes(10);

  /// Acknowledged outbox rows go with the next turn, or alone after this.
  duration acknowledge_wait_max = std::chrono::milliseconds(500);

  /// Instances kept in memory although they are idle. 128 × 32 partitions ×
  /// some 6 KiB are 24 MiB.
  std::size_t idle_instances_max = 128;

  /// Idle instances leave memory after this.
  duration idle_instance_time_max = std::chrono::seconds(30);

  /// A turn that is out longer is named in the log and under `--stuck`.
  duration turn_stuck_time = std::chrono::seconds(5);
};

/// A message that waits, not durable, for the turn it causes.
struct arrived_message {
  inbox_sequence sequence = 0;
  history_event event;
  std::vector<reply_to> replies;
  request_id request;
  std::optional<dedup_mark> source;
  timestamp since{};
  bool in_turn = false; ///< The turn that is out has it.
};

/// A start that waits, not durable, for its first turn.
struct arrived_start {
  history_event started; ///< execution_started
  timestamp accepted_at{};
  std::vector<reply_to> replies;
  std::vector<reply_to> joined;  ///< Get-or-start that found this one.
  std::vector<reply_to> refused; ///< Other starts of the same ID.
  request_id request;
  std::optional<dedup_mark> source;
};

/// Instances in memory, the longest untouched first.
using idle_list = std::list<std::pair<timestamp, instance_id>>;

struct live_instance {
  // Durable side.
  std::optional<stored_instance> stored;
  journal_position position = 0; ///< Newest turn that touched it.

  // The desk.
  std::optional<arrived_start> starting;
  std::vector<arrived_message> arrived;
  inbox_sequence next_inbox = 1;
  inbox_sequence delivered = 0; ///< The warm run has seen up to it.
  turn_number number = 0;       ///< Of the last turn given out.
  timestamp turn_now{};         ///< Its current_time().
  timestamp touched{};
  std::vector<history_event> first_history; ///< Of a new execution.
  bool turn_out = false;
  bool stuck_named = false;
  bool warm = false;      ///< The instance actor holds the coroutine.
  bool start_due = false; ///< Its scheduled time has come.
  bool held_here = false; ///< The code of this process does not fit.
  bool queued = false;    ///< Stands in `runnable`.
  bool kept = false;      ///< Stands in the idle list, at `place`.
  idle_list::iterator place;

  bool busy() const {
    return turn_out || starting || !arrived.empty() || queued;
  }
};

/// A message from another partition that was taken but is not durable yet.
struct waiting_mark {
  std::uint64_t sequence = 0;
  instance_id instance;
};

struct waiter {
  reply_to to;
  wait_for what = wait_for::finished;
};

struct partition_counters {
  std::uint64_t starts = 0;
  std::uint64_t turns = 0;
  std::uint64_t replays = 0;
  std::uint64_t completed = 0;
  std::uint64_t failed = 0;
  std::uint64_t terminated = 0;
  std::uint64_t continued = 0;
  std::uint64_t activities = 0;
  std::uint64_t results_stale = 0;
  std::uint64_t events_discarded = 0;
  std::uint64_t messages_repeated = 0;
  std::uint64_t evictions = 0; ///< Idle instances that left memory.
};

struct partition_state {
  partition_config config;

  // Durable side.
  partition_meta meta;
  std::unordered_map<instance_id, live_instance> live;
  std::map<partition_id, std::map<std::uint64_t, outbox_message>> outbox;
  std::map<partition_id, std::uint64_t> outbox_heads; ///< Last number given.
  std::map<partition_id, std::uint64_t> marks;
  std::set<due_task> timers; ///< Due until `timers_until`.
  timestamp timers_until{};

  // The desk.
  std::map<partition_id, std::uint64_t> acknowledged; ///< Not yet written.
  std::map<partition_id, std::uint64_t> marks_taken;  ///< Durable or waiting.
  std::map<partition_id, std::deque<waiting_mark>> marks_waiting;
  std::unordered_map<instance_id, std::vector<waiter>> waiters;
  std::vector<instance_id> runnable; ///< May have a turn due.
  std::vector<instance_id> dropped;  ///< Their coroutines are to go.
  /// Instances with something that waits for a turn, by since when.
  std::deque<std::pair<timestamp, instance_id>> waiting;
  partition_counters counters;

  live_instance* find(const instance_id& id) {
    auto it = live.find(id);
    return it == live.end() ? nullptr : &it->second;
  }
};

/// The only mutator of the durable side. Instances that are not in memory are
/// left to the journal.
void apply(partition_state& state, const turn_writes& writes);

/// Puts the instance among those whose next turn is looked at when the batch
/// ends.
void make_runnable(partition_state& state, const instance_id& id,
                   live_instance& live);

/// ASCII case-insensitive, as event names compare.
bool equal_names(std::string_view a, std::string_view b);

/// Whether the instance has an open wait of that name.
bool awaits_event(const stored_instance& stored, std::string_view name);

/// Whether a turn can do something with the message: results always, events
/// only if somebody waits for them.
bool is_deliverable(const stored_instance& stored, const history_event& event);

/// The task a result belongs to; empty for events.
std::optional<task_sequence> task_of(const history_body& body);

} // namespace perdura::actors
