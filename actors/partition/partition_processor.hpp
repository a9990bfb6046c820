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
/// The processor uses no CAF or thread, and only the clock that it is given:
/// the actor on a node and the simulation in the tests run the same code.
///
/// Keeps more than 10 project includes or 15 members: the state, and each kind
/// of work that waits for a journal position or for a time.
#pragma once

#include "actors/partition/partition_damage.hpp"
#include "actors/partition/rule_search.hpp"
#include "actors/partition/volatile_partition.hpp"
#include "actors/timing/partition_clock.hpp"
#include "actors/timing/settled_clock.hpp"
#include "persistence/journal/state_reader.hpp"
#include "persistence/journal/turn_log.hpp"
#include "persistence/process/log_level.hpp"
#include "persistence/records/clock.hpp"

#include <memory>
#include <span>
#include <variant>

namespace perdura::actors {

using persistence::clock;
using persistence::error;
using persistence::partition_snapshot;
using persistence::result;
using persistence::state_reader;
using persistence::time_scale;
using persistence::turn_log;

/// A management request and the destination of its answer.
struct management_inbound {
  reply_to from;
  management_request request;
};

/// Code of the instance must not run any more. `reason` is a sentence.
struct instance_hold {
  instance_id instance;
  std::string reason;
};

/// Every message that a partition processes.
using inbound = std::variant<management_inbound, turn_outcome, activity_result,
                             partition_message, partition_acknowledgement,
                             instance_hold, activity_unread>;

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

  /// Called before a turn removes the history that contains the inputs of open
  /// activities of the instance; see activity_work_item::input_is_stored.
  virtual void keep_inputs(const instance_id& /*id*/) {}

  /// No code uses the results of this execution any more: the activities that
  /// run or have yet to run learn that their cancellation is requested. With
  /// `drops`, those that have not begun never run.
  virtual void cancel_activities(const instance_id& /*id*/,
                                 const execution_id& /*execution*/,
                                 bool /*drops*/) {}

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

  /// Called with an instance that is released, before its next turn is
  /// dispatched: its code may run again. Also called when the instance has been
  /// terminated; then `is_ended` is set, and its code need not run any more.
  virtual void release(const instance_id& /*id*/, bool /*is_ended*/) {}

  /// Called when the numbers of messages show that this node, or the node of
  /// another partition, runs on an older copy of its data directory.
  virtual void disagree(const pair_disagreement& /*found*/) {}

  /// Called in an adopted partition: with true when it has recovered, and with
  /// false when it has agreed with all partitions of other nodes. Until then it
  /// refuses changes.
  virtual void agrees(bool /*is_agreeing*/) {}

  /// Called if an exception leaves the handling of a message to the instance,
  /// before it is thrown on.
  virtual void note_fault(const instance_id& /*id*/) {}
};

/// The time at which a partition must run next if no message arrives earlier.
struct wake_time {
  boot_time at{};
  /// The partition must also run when the wall clock shows this time.
  timestamp wall_at = timestamp::max();
  /// True if the partition wakes up because of `turn_wait_max`. Such a wake-up
  /// usually finds nothing to do, so the host may delay it by a few
  /// milliseconds, to combine it with other wake-ups.
  bool may_be_late = false;

  bool operator==(const wake_time&) const = default;
};

/// Returns the time until `wake` by the clock; negative if it has passed.
duration time_until(const wake_time& wake, const persistence::clock& clock);

/// A gap in the messages of a source usually closes after the next probe of the
/// source. After this many intervals between two probes it is reported.
inline constexpr int gap_report_probes = 3;

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

  /// Handles the messages as one batch with one reading of the clocks. Then
  /// handles the timers and time limits that are due, and dispatches the turns
  /// that are due. The messages are moved from. The batch may be empty.
  void process_batch(std::span<inbound> batch);

  /// Called when all turns of this partition up to the journal position
  /// `reached` are durable. Performs the effects that were held for them.
  void on_durable(journal_position reached);

  /// States to these partitions which messages to and from them are known, and
  /// sends again all messages that they have not acknowledged, a limited number
  /// at a time. Called when the node that owns the partitions has become
  /// reachable again, because messages to it may have been lost.
  void resend(std::span<const partition_id> to);

  /// Journals what would otherwise wait for the next turn, without asking for a
  /// commit: the journal commits it when it is closed. Called once, before the
  /// partition is destroyed by a clean stop, after which the next start sends
  /// no message again that was acknowledged.
  void end();

  /// Returns the time of the next `process_batch` if no message arrives. When
  /// the wall clock is set, `process_batch` must be called, too.
  wake_time wake_at() const;

  /// The knowledge about the wall clock when the partition recovered.
  const wall_evidence& evidence() const {
    return evidence_;
  }

  const durable_partition& durable() const {
    return store_.get();
  }

  const volatile_partition& live() const {
    return live_;
  }

  /// Returns the instances in memory whose turn has been running for longer
  /// than `turn_stuck_time` or which are held, and the damaged instances, each
  /// with the reason. An empty ID stands for damaged rows of no known instance.
  std::vector<std::pair<instance_id, std::string>> stuck() const;

  /// The paused orchestrators, each with an empty ID and a sentence, and the
  /// trees whose termination has not reached all partitions for some seconds,
  /// each with the ID of its root.
  std::vector<std::pair<instance_id, std::string>> rule_notices() const;

  /// Sizes for the metrics.
  damage_figures damage() const;
  outbox_figures outbox() const;

private:
  /// A message that is handled once the journal has reached `until`.
  struct deferred_message {
    journal_position until = 0;
    inbound message;
  };

  /// Timers of a scale that are due after `after` and not after `last`, to load
  /// from the journal once it has reached `until`.
  struct timer_refill {
    journal_position until = 0;
    time_scale scale = time_scale::elapsed;
    timestamp after{};
    timestamp last{};
  };

  /// The next comparison of the outbox with its state at the last one. A
  /// destination that has acknowledged nothing in between may have lost or
  /// refused a message; the oldest one is sent again.
  struct outbox_probe {
    /// Set while messages may be on their way.
    std::optional<elapsed_time> at;
    /// The last sequence acknowledged, by destination.
    std::map<partition_id, std::uint64_t> acknowledged;
  };

  /// Work that was open at the start of this process and has not begun yet. It
  /// begins in windows while the partition serves.
  struct recovered_work {
    journal_position until = 0; ///< The turn of the new epoch.
    std::map<instance_id, std::vector<task_sequence>> activities;
    std::deque<instance_id> turns;      ///< Instances with a turn due.
    std::vector<instance_id> turns_out; ///< Those whose turns have begun.
  };

  /// Messages of a source that have not arrived, although later ones have.
  struct message_gap {
    std::uint64_t expected = 0; ///< The first missing message.
    std::uint64_t arrived = 0;  ///< The first message after the gap.
    elapsed_time since{};
    bool is_reported = false;
  };

  /// A turn that was dispatched at the time `since`.
  struct turn_out_since {
    elapsed_time since{};
    instance_id id;
    turn_number number = 0;
  };

  /// Reads the clocks for a new batch: sets `live_.now`, and returns the time
  /// of the wall clock.
  timestamp read_clocks();

  loaded_instance find(const instance_id& id) {
    return actors::find(durable(), live_, id);
  }

  void handle(inbound& message, timestamp now);
  void handle_guarded(inbound& message, timestamp now);
  void run_activity(activity_work_item item);
  void handle_request(management_inbound& message, timestamp now);
  turn step_request(management_request& request,
                    const request_identity& identity, reply_to from,
                    timestamp now);
  void handle_partition(partition_message& message, timestamp now);
  turn step_partition(partition_message& message,
                      const std::vector<history_event>& history,
                      dedup_mark source, timestamp now);
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
  void keep_inputs(turn& next);
  void report_enqueued_turns();
  void answer_reads(turn& next);

  /// Performs the effects when the journal has reached `until`, or at once if
  /// it has reached it already.
  void hold_effects(journal_position until, std::vector<effect> effects);
  void perform(effect& due);
  void perform_read(const read_effect& read);

  /// Dispatches the turns that are due in `runnable` instances.
  void dispatch(timestamp now);
  void dispatch_one(const instance_id& id, loaded_instance loaded,
                    timestamp now);

  // Defined in partition_timers.cpp.
  bool has_waited_since(elapsed_time since, const instance_id& id) const;
  /// Handles everything whose time has come: messages that have waited for
  /// `turn_wait_max`, timers, acknowledgements, and stuck turns.
  void process_due(timestamp now);
  void journal_acknowledgements(timestamp now);
  bool delays_timers() const;
  void extend_timer_horizons(timestamp now);
  void extend_timer_horizon(time_scale scale, timestamp until);
  timestamp horizon_of(time_scale scale, timestamp now) const;
  void fire_timers(time_scale scale, timestamp due, timestamp now);
  void report_stuck_turns();
  void load_timers();
  bool needs_anchor() const;

  // Defined in partition_eviction.cpp.
  void evict();
  void evict_ended();
  void remove_from_memory(const instance_id& id, live_instance& instance);
  void drop_runs();

  // Defined in partition_outbox.cpp.
  void send_from_outbox(partition_id to, std::uint64_t last);
  void send_window(partition_id to);
  void send_messages(partition_id to, std::uint64_t end);
  std::uint64_t acknowledged_by(partition_id to) const;
  void probe_outbox();
  void handle_acknowledgement(const partition_acknowledgement& note,
                              timestamp now);
  void follow_outbox(const turn_writes& writes);
  void wake_outbox_waits();
  bool resume_outbox_wait(const instance_id& id);
  void restore_outbox();
  void
  list_outbox_waits(std::vector<std::pair<instance_id, std::string>>& to) const;

  // Defined in partition_pairs.cpp.
  bool is_agreeing() const {
    return !durable().meta.unmatched.empty();
  }

  std::string agreeing_sentence() const;
  void state_numbers(partition_id to, bool resends);
  void perform_statement(const statement_effect& statement);
  void handle_statement(const partition_acknowledgement& note, timestamp now);
  void report_gaps();
  std::uint64_t broken_streams() const;
  std::vector<std::string> pair_faults() const;

  // Defined in partition_quarantine.cpp.
  result<loaded_instance> load(const instance_id& id);
  error note_damage(const instance_id& id, partition_damage::extent what,
                    const error& reason);
  damaged_work* note_damaged_work(const instance_id& id);
  void handle_unread(const activity_unread& unread);
  void retry_damaged(timestamp now);
  void stop_set_aside(timestamp now);
  void quarantine(partition_message& message, timestamp now);
  void forward(partition_message& message, partition_id to, timestamp now);
  bool follow_released(partition_message& message, timestamp now);
  void retry_quarantined(timestamp now);
  void release(const std::set<instance_id>& sound, timestamp now);
  void restore_quarantine(const std::vector<std::string>& damage);

  // Defined in partition_rules.cpp.
  void note_rules(const std::vector<persistence::rule_change>& rules);
  void begin_rule_search(timestamp at);
  void end_member(const instance_id& id, const std::string& reason,
                  timestamp at);
  void resume_dispatch(const loaded_instance& loaded, timestamp at);
  bool waits_for_name(const instance_id& id, const loaded_instance& loaded,
                      timestamp at);
  void end_if_member(const instance_id& id);
  void restore_rule_search();
  void continue_rule_search(timestamp at);
  bool search_trees();
  bool search_names(timestamp at);
  bool may_start_member(const persistence::tree_top& top) const;
  void report_drained(timestamp at);

  // Defined in partition_marks.cpp.
  void include_earlier_marks(turn& next, timestamp now);
  std::optional<instance_id> pop_skipped_mark(const turn& next);
  void include_pending(turn& next, const instance_id& id, timestamp now);

  // Defined in partition_requests.cpp.
  void handle_unraised(timestamp at);
  result<void> load_meant(const management_request& request);
  bool answer_repeat(const management_request& request,
                     const request_identity& identity, reply_to from);
  result<std::optional<persistence::request_row>>
  find_answer(const persistence::hash128& key) const;
  void complete_requests(turn_writes& writes) const;
  void release_answers();
  std::optional<elapsed_time> next_request_expiry() const;

  // Defined in partition_activities.cpp.
  std::map<task_sequence, persistence::task_scheduled>
  read_activities_to_leave(turn_outcome& outcome);

  // Defined in partition_recovery.cpp.
  void begin_recovered_turns();
  bool is_running(const instance_id& id) const;
  void submit_recovered();
  void submit_recovered(const instance_id& id,
                        const std::vector<task_sequence>& sequences);
  void add_recovered(const instance_id& id,
                     const std::set<task_sequence>& sequences);
  void follow_recovered(const turn_writes& writes);

  durable_store store_;
  /// The instances in memory; declared before them, because they leave the
  /// queue when they are destroyed.
  idle_queue idle_;
  volatile_partition live_;
  turn_log& journal_;
  state_reader& reader_;
  partition_clock clock_;
  wall_evidence evidence_;
  bool has_anchored_ = false; ///< A turn of this process has an anchor.
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
  std::optional<elapsed_time> acknowledge_at_;
  /// Greatest outbox sequence whose turn is durable, by destination.
  std::map<partition_id, std::uint64_t> outbox_sent_;
  /// The destinations to which messages are sent in windows, each with the last
  /// sequence that was sent.
  std::map<partition_id, std::uint64_t> resending_;
  outbox_probe probe_;
  /// When the turns that wait for space in an outbox are examined again.
  std::optional<elapsed_time> outbox_waits_at_;
  recovered_work recovered_;
  std::map<partition_id, message_gap> gaps_; ///< By source partition.
  /// Why the numbers of another partition are not consistent with those of this
  /// one, by that partition.
  std::map<partition_id, std::string> disagreements_;
  partition_damage damage_;
  /// The keys in `durable_partition::requests_recent`, each with the position
  /// of its turn.
  std::deque<std::pair<journal_position, persistence::hash128>> answers_recent_;
  rule_search rule_search_;
  timestamp wall_{}; ///< The time of the wall clock in the current batch.
};

} // namespace perdura::actors
