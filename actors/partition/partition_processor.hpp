// SPDX-License-Identifier: Apache-2.0
/// Runs one partition: calls a step for each message, journals the turn that
/// the step returns, and performs the effects of the turn.
///
/// The durability rule: no effect leaves a partition before its cause is
/// durable. Effects are answers to clients (refusals and reads too),
/// activities, messages and acknowledgements to other partitions, and log
/// lines of turns. Durable means that the journal has committed the turn. The
/// processor therefore holds each effect until the journal has reached the
/// position of the newest turn that the effect depends on.
///
///   message ──step──▶ turn {writes, effects} ──apply──▶ durable side
///                          │        └────────held────────┐
///                          ▼                             ▼
///                       journal ──commit──▶ on_durable ──perform──▶ host
///
/// The processor uses no CAF, thread or system clock of its own: the actor on
/// a node and the simulation in the tests run the same code.
///
/// Keeps more than 10 project includes or 15 members: the state, and each kind
/// of work that waits for a journal position or for a time.
#pragma once

#include "actors/partition/volatile_partition.hpp"
#include "persistence/journal/state_reader.hpp"
#include "persistence/journal/turn_log.hpp"
#include "persistence/process/log_level.hpp"
#include "persistence/records/clock.hpp"

#include <memory>
#include <span>
#include <variant>

namespace perdura::actors {

using persistence::clock;
using persistence::partition_snapshot;
using persistence::result;
using persistence::state_reader;
using persistence::turn_log;

/// A management request and the destination of its answer.
struct management_inbound {
  reply_to from;
  management_request request;
};

/// Every message that a partition processes.
using inbound = std::variant<management_inbound, turn_outcome, activity_result,
                             partition_message, partition_acknowledgement>;

/// The environment of a partition. The processor calls these functions from
/// `process_batch`, `on_durable`, `resend` and `recover`, on the thread of
/// their caller. None may call the processor.
class partition_host {
public:
  virtual ~partition_host() = default;

  /// Sends the answer to a management request.
  virtual void answer(reply_to to, management_answer answer) = 0;

  /// Runs one turn of an instance. The host passes the outcome to a later
  /// `process_batch`.
  virtual void run_turn(orchestration_work_item item) = 0;

  /// Releases the coroutine of the instance. If a turn is running, its outcome
  /// is void; the host may still pass it to `process_batch`.
  virtual void drop_run(const instance_id& id) = 0;

  /// Runs one attempt of an activity. The host passes the result to a later
  /// `process_batch`.
  virtual void run_activity(activity_work_item item) = 0;

  /// Sends a message to another partition. The message may be lost: the
  /// processor keeps it until it is acknowledged.
  virtual void send(partition_message message, partition_id to) = 0;

  /// Sends an acknowledgement to another partition; it may be lost.
  virtual void acknowledge(partition_acknowledgement note, partition_id to) = 0;
  virtual void log(persistence::log_level level, const std::string& text) = 0;

  /// Called when turns have been queued in the journal, once at the end of each
  /// `process_batch` or `recover`. The host must then call
  /// `turn_log::request_commit`, at once or soon, and pass the position that it
  /// returns to `on_durable` after this call of the processor has returned.
  virtual void turns_enqueued() {}
};

/// The time at which a partition must run next if no message arrives earlier.
struct wake_time {
  timestamp at{};
  /// True if the partition wakes up because of `turn_wait_max`. Such a wake-up
  /// usually finds nothing to do, so the host may delay it by a few
  /// milliseconds, to combine it with other wake-ups.
  bool may_be_late = false;
};

/// Not thread-safe: one thread at a time calls a processor.
class partition_processor {
public:
  /// `journal` and `reader` see the same turns. Both, the clock and the host
  /// must outlive the processor.
  partition_processor(partition_config config, turn_log& journal,
                      state_reader& reader, const persistence::clock& clock,
                      partition_host& host);
  ~partition_processor();

  partition_processor(const partition_processor&) = delete;
  partition_processor& operator=(const partition_processor&) = delete;

  /// Loads the durable state, raises the partition's epoch, and derives the
  /// work in progress: activities without a result, undelivered messages,
  /// timers and due turns. Must be called once, before any other function.
  /// @error errc::storage_damaged  A row of the partition cannot be read.
  result<void> recover();

  /// Handles the messages as one batch with one clock reading. Then handles the
  /// timers and time limits that are due, and dispatches the turns that are
  /// due. The messages are moved from. The batch may be empty.
  void process_batch(std::span<inbound> batch);

  /// Called when all turns of this partition up to the journal position
  /// `reached` are durable. Performs the effects that were held for them.
  void on_durable(journal_position reached);

  /// Sends again all messages that these partitions have not acknowledged, a
  /// limited number at a time. Called when the node that owns the partitions
  /// has become reachable again, because messages to it may have been lost.
  void resend(std::span<const partition_id> to);

  /// Returns the time of the next `process_batch` if no message arrives.
  wake_time wake_at() const;

  const durable_partition& durable() const {
    return store_.get();
  }

  const volatile_partition& live() const {
    return live_;
  }

  /// Returns the instances in memory whose turn has been running for longer
  /// than `turn_stuck_time` or which are held, each with the reason.
  std::vector<std::pair<instance_id, std::string>> stuck() const;

private:
  /// A message that is handled once the journal has reached `until`.
  struct deferred_message {
    journal_position until = 0;
    inbound message;
  };

  /// Timers with `after` < fire_at ≤ `last` to load from the journal once it
  /// has reached `until`.
  struct timer_refill {
    journal_position until = 0;
    timestamp after{};
    timestamp last{};
  };

  /// A turn that was dispatched at the time `since`.
  struct turn_out_since {
    timestamp since{};
    instance_id id;
    turn_number number = 0;
  };

  /// The clock's time, but never less than the time of the newest turn.
  timestamp now() const;

  loaded_instance find(const instance_id& id) {
    return actors::find(durable(), live_, id);
  }

  /// Returns the instance, read from the journal if it is not in memory. False
  /// if there is none or if it cannot be read; a read error is logged.
  loaded_instance load(const instance_id& id, timestamp now);

  void handle(inbound& message, timestamp now);
  void handle_request(management_inbound& message, timestamp now);
  void handle_partition(partition_message& message, timestamp now);
  turn step_partition(partition_message& message, dedup_mark source,
                      timestamp now);
  /// Defers the message if turns of the instance are not durable yet. Used
  /// before a step that reads the durable history. Returns false if all turns
  /// are durable.
  bool defer_until_durable(const instance_id& id, inbound message);
  /// Journals the start and the messages of the instance that wait for a
  /// turn, if there are any.
  void persist_pending(const instance_id& id, timestamp now);

  /// Journals the turn and holds its effects. The effects of a turn without
  /// writes are held for the newest turn of the instance `about`.
  void emit(turn next, const instance_id& about, timestamp now);
  void journal_turn(turn& next, timestamp now);
  void report_enqueued_turns();
  void answer_reads(turn& next);

  /// Performs the effects when the journal has reached `until`, or at once if
  /// it has reached it already.
  void hold_effects(journal_position until, std::vector<effect> effects);
  void perform(effect& due);
  void perform_read(const read_effect& read);

  bool has_waited_since(timestamp since, const instance_id& id) const;

  /// Handles everything whose time has come: messages that have waited for
  /// `turn_wait_max`, timers, acknowledgements, and stuck turns.
  void process_due(timestamp now);
  void extend_timer_horizon(timestamp now);
  void load_timers();

  /// Dispatches the turns that are due in `runnable` instances.
  void dispatch(timestamp now);
  void dispatch_one(const instance_id& id, loaded_instance loaded,
                    timestamp now);

  // Defined in partition_eviction.cpp.
  void evict(timestamp now);
  void evict_ended();
  void remove_from_memory(const instance_id& id, live_instance& instance);
  void drop_runs();

  // Defined in partition_outbox.cpp.
  void send_from_outbox(outbox_message message);
  void send_window(partition_id to);
  std::uint64_t acknowledged_by(partition_id to) const;
  void handle_acknowledgement(const partition_acknowledgement& note,
                              timestamp now);

  // Defined in partition_marks.cpp.
  void include_earlier_marks(turn& next, timestamp now);
  std::optional<instance_id> pop_skipped_mark(const turn& next);
  void include_pending(turn& next, const instance_id& id, timestamp now);

  // Defined in partition_recovery.cpp.
  result<std::vector<effect>>
  derive_open_work(const partition_snapshot& snapshot);

  durable_store store_;
  /// The instances in memory; declared before them, because they leave the
  /// queue when they are destroyed.
  idle_queue idle_;
  volatile_partition live_;
  turn_log& journal_;
  state_reader& reader_;
  const clock& clock_;
  partition_host& host_;
  journal_position last_position_ = 0;    ///< Newest turn enqueued.
  bool has_uncommitted_turns_ = false;    ///< Turns enqueued in this call.
  journal_position durable_position_ = 0; ///< As last reported to on_durable.
  /// Effects by the position that they wait for. All positions are greater
  /// than `durable_position_`.
  std::map<journal_position, std::vector<effect>> held_;
  std::deque<deferred_message> deferred_; ///< In order of arrival.
  /// Instances that need a replay and whose newest turn is not durable yet.
  std::vector<instance_id> replays_waiting_;
  std::deque<timer_refill> refills_;
  std::deque<turn_out_since> turns_out_; ///< In order of dispatch.
  /// Finished instances and the position at which their end is durable.
  std::deque<std::pair<journal_position, instance_id>> ended_;
  /// The time at which the acknowledged outbox rows are deleted in a turn of
  /// their own.
  std::optional<timestamp> acknowledge_at_;
  /// Greatest outbox sequence whose turn is durable, by destination.
  std::map<partition_id, std::uint64_t> outbox_sent_;
  /// The destinations to which messages are sent in windows, each with the last
  /// sequence that was sent.
  std::map<partition_id, std::uint64_t> resending_;
};

} // namespace perdura::actors
