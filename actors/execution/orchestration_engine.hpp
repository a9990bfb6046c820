// SPDX-License-Identifier: Apache-2.0
/// The implementation of orchestration_context: keeps the requests of one
/// execution and their results, numbers the requests, binds events to waits,
/// and applies retry policies. Uses no clock: `begin_turn` sets the time.
#pragma once

#include "actors/authoring/when.hpp"
#include "actors/execution/carried_decisions.hpp"
#include "actors/execution/decision.hpp"
#include "actors/execution/history_size.hpp"
#include "actors/execution/orchestration_run.hpp"
#include "actors/execution/orchestration_slot.hpp"
#include "persistence/process/log_level.hpp"

#include <coroutine>
#include <deque>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace perdura::actors {

using persistence::event_raised;
using persistence::wait_sequence_first;

/// The latest time of a timer, 9999-12-31T23:59:59.999999Z: the HTTP API writes
/// years with four digits.
inline constexpr timestamp timer_fire_at_max{
  std::chrono::microseconds{253'402'300'799'999'999}};

/// Not thread-safe. Keeps one slot for each thing that the code can await; see
/// orchestration_slot. Slots are never removed.
class orchestration_engine {
public:
  struct execution_identity {
    instance_id instance;
    execution_id execution;
    std::string name;    ///< The orchestrator's name.
    std::string version; ///< Empty means unversioned.
    instance_id parent;  ///< Empty if the instance has no parent.
  };

  /// `reruns` has one entry for each task that a rewind has given a new
  /// sequence. The key is the new sequence, the value the one before the
  /// rewind.
  orchestration_engine(execution_identity identity, orchestration_log_sink sink,
                       std::unordered_map<task_sequence, task_sequence> reruns);

  // Called by the code, through orchestration_context and the awaitables.
  slot_id request_activity(std::string_view name, std::string input,
                           const activity_options& options);
  slot_id request_sub_orchestration(std::string_view name, std::string input,
                                    const sub_orchestration_options& options);
  /// A timer that is due when the time from now to `fire_at` has passed or, if
  /// `absolute`, when the wall clock shows `fire_at`.
  slot_id request_timer(timestamp fire_at, bool absolute);
  slot_id request_event(std::string_view name, std::optional<timestamp> until);
  void send_event(std::string_view instance, std::string_view name,
                  std::string data);
  slot_id gather_all(std::span<const slot_id> members);
  slot_id gather_any(std::span<const slot_id> members);
  void continue_as_new(std::string input, bool keep_events, bool keep_version);
  void set_custom_status(std::string status);
  void cancel(slot_id id);
  std::string new_guid();
  void log(persistence::log_level level, std::string_view text);

  /// Returns true if the slot has a result, has failed or was cancelled. In
  /// this case the call also records that the code has observed the outcome: a
  /// rewind that makes an observed failure void repeats this turn.
  bool is_completed(slot_id id);

  /// Returns the result of a completed slot. It points into the slot.
  /// @throws task_failed     The task failed.
  /// @throws task_cancelled  The timer or wait was cancelled.
  detail::slot_answer take_result(slot_id id);

  /// Records that the data of a slot's event could not be converted. Called
  /// while the exception of the conversion is handled. Does nothing if the slot
  /// is not a wait.
  void note_unreadable(slot_id id);

  /// Throws the failure of the first member, in the order of the group, that
  /// has failed or was cancelled. Does nothing if there is no such member.
  void throw_first_failure(slot_id group);
  slot_id member_of(slot_id group, std::size_t index) const;

  /// Returns the number of members of the group.
  std::size_t members_of(slot_id group) const;

  /// Returns the index of the member that completed first.
  std::size_t winner_of(slot_id group);

  /// Registers a coroutine that is suspended until the slot is completed. The
  /// orchestrator and each task of a when_all or when_any has one suspended
  /// coroutine. If one message completes the slots of several coroutines, they
  /// are resumed in the order of their registration.
  void suspend_on(slot_id id, detail::promise_base& waiter);

  /// Like suspend_on, in two parts: the coroutine takes its place in the order
  /// before those of the tasks that it starts in between. `finish_wait` returns
  /// false, and the coroutine must continue, if the slot is completed.
  void begin_wait(detail::promise_base& waiter) noexcept;
  bool finish_wait(slot_id id, detail::promise_base& waiter) noexcept;

  /// Starts a task of a when_all or when_any: runs its coroutine until it is
  /// suspended or ends. Called by another coroutine, which is suspended.
  slot_id start_task(detail::promise_base& task);

  /// Completes the slot of a task whose coroutine has ended.
  void end_task(detail::promise_base& ended) noexcept;

  /// Cancels the open timers and waits for events that the task has requested,
  /// because its coroutine was destroyed. Does nothing if the task has ended.
  void abandon_task(slot_id id) noexcept;

  /// Returns true if the slot has a result, has failed or was cancelled.
  bool is_done(slot_id id) const {
    return slots_[id].done;
  }

  /// Removes the registration of a coroutine whose frame is destroyed.
  void deregister(detail::promise_base& waiter) noexcept;

  /// Sets the coroutine that `run` resumes next, without recursion.
  void continue_with(std::coroutine_handle<> next) noexcept;

  const execution_identity& identity() const {
    return identity_;
  }

  timestamp now() const {
    return time_.now;
  }

  bool is_replaying() const {
    return replaying_;
  }

  // Called by orchestration_run.
  void begin_turn(timestamp now, elapsed_time elapsed, bool replaying);

  /// Called after begin_turn if the turn repeats void turns. The history events
  /// that `rewound` points to must exist until the end of the turn.
  void resume_rewound_turn(const rewound_turn& rewound);

  /// Sets the time within a turn that repeats void turns: to that of each void
  /// turn, and then back to that of the turn itself.
  void set_time(timestamp now, elapsed_time elapsed);

  /// Delivers a message without resuming the code. `sequence` is 0 for a
  /// message from history.
  void deliver(history_event event, inbox_sequence sequence);

  /// Called when the code has ended. Results that are delivered after this call
  /// count as consumed, and events as unprocessed.
  void close();

  /// Returns true if a coroutine is suspended on a slot that is completed.
  bool is_ready() const {
    return suspended_.ready != nullptr;
  }

  /// Returns true if the code has not ended and is suspended: the orchestrator
  /// and each task that has not ended wait for a slot.
  bool is_waiting() const {
    return suspended_.waiting == 1 + suspended_.tasks;
  }

  /// Resumes the first coroutine that is ready. It runs until it suspends again
  /// or ends.
  void resume();

  /// Runs the coroutine, and then those named by `continue_with`.
  void run(std::coroutine_handle<> frame);

  /// The decisions of this turn so far.
  const std::vector<decision>& decisions() const {
    return turn_.decisions;
  }

  /// Returns the failures for which the code has thrown the exception: those
  /// in the exception and in the ones nested in it or, if it contains none, all
  /// that the execution had. Failures of this turn, and those that the code has
  /// not observed, are always included. Called before end_turn.
  persistence::failure_causes causes_of(const std::exception_ptr& thrown) const;

  /// Fills in the outcome except instance, execution, number, causes and
  /// result.
  /// `lists_waits` says whether `waits_open` is set.
  void end_turn(turn_outcome& outcome, bool lists_waits = false);

  /// Returns the input and events of the next execution if the code has
  /// called continue_as_new.
  std::optional<continued_result> continuation() const;

private:
  /// Returns the name with ASCII letters in lower case: event names compare
  /// case-insensitively.
  static std::string event_key(std::string_view name);

  /// An event that no wait has received.
  struct buffered_event {
    std::uint64_t ordinal = 0;   ///< Order of delivery.
    inbox_sequence sequence = 0; ///< 0 if the event came from history.
    timestamp time{};
    event_raised raised;
  };

  /// The events and waits of one event name, oldest first. While the code
  /// runs, an event is buffered only if no wait is open.
  struct event_queue {
    std::deque<buffered_event> buffered;
    /// Open waits. A wait that is completed without an event, such as by its
    /// time-out, stays in the queue until it is the oldest and an event of the
    /// name arrives.
    std::deque<slot_id> waits;
    std::uint64_t bound = 0; ///< Events that waits have received.
  };

  /// An event whose data the code could not read, and the exception of that.
  struct unread_event {
    slot_id wait = no_slot;
    std::uint32_t turn = 0;
    std::exception_ptr thrown;
  };

  struct consumed_message {
    std::uint64_t ordinal = 0; ///< Order of delivery.
    inbox_sequence sequence = 0;
  };

  /// The output of the current turn; cleared when a turn begins.
  struct turn_output {
    std::vector<decision> decisions;
    std::vector<consumed_message> consumed;
    std::vector<slot_id> waits_opened;
    std::vector<task_sequence> waits_closed;
    std::vector<task_sequence> timers_cancelled;
    std::vector<task_sequence> failures_received;
    /// Failures of open tasks that arrived after the code had ended.
    std::vector<task_sequence> failures_missed;
    std::optional<std::string> custom_status;
    /// Number of decisions that count for decisions_per_turn_max.
    std::size_t requested = 0;
    bool rewound = false; ///< resume_rewound_turn was called.
  };

  /// The coroutines that are suspended, and the one that runs.
  struct suspension {
    /// Those whose slot is completed, in the order of their registration.
    detail::promise_base* ready = nullptr;
    std::uint64_t order = 0;      ///< Registrations so far.
    std::size_t waiting = 0;      ///< Coroutines that are registered.
    std::size_t tasks = 0;        ///< Started tasks that have not ended.
    slot_id running = no_slot;    ///< The task whose code runs.
    std::coroutine_handle<> next; ///< Set by continue_with.
  };

  /// The next number of each kind.
  struct next_numbers {
    task_sequence decision = 1;
    task_sequence wait = wait_sequence_first;
    std::uint64_t ordinal = 1; ///< Order of delivery.
    std::uint64_t guid = 0;    ///< Calls of new_guid so far.
  };

  /// For the next rewind, and after earlier ones.
  struct rewind_state {
    carried_decisions carried; ///< The decisions of the void turns.
    /// Results of carried decisions that the code has just requested again.
    std::deque<history_event> kept_results;
    bool delivers_kept = false; ///< `decide` is delivering `kept_results`.
    /// First sequences of tasks that run again and that the code has not
    /// requested again, and the time that their retry policies begin with.
    std::unordered_set<task_sequence> renewed;
    elapsed_time renewed_at{};
    std::vector<unread_event> unread;
    /// The failures of a group, by the one that the code has received for all.
    std::unordered_map<task_sequence, std::vector<task_sequence>>
      failed_together;
    /// The same for groups with tasks: the exceptions of the members that have
    /// failed. The first one is that which the code has received.
    std::vector<std::vector<std::exception_ptr>> thrown_together;
  };

  slot_id add(orchestration_slot::body_type body);
  /// @throws limit_exceeded  The turn has decisions_per_turn_max decisions.
  void check_decision_limit() const;
  void decide(slot_id id, decision asked, bool child_by_number = false);
  task_sequence record(decision asked, bool child_by_number);
  void renew(slot_id id);

  /// Records that the slot's open task has this sequence.
  void track(task_sequence sequence, slot_id id);
  task_sequence first_sequence_of(task_sequence sequence) const;
  slot_id open_task(task_sequence sequence) const;
  template <class Call>
  slot_id open_call(task_sequence sequence) const;
  slot_id slot_of(task_sequence sequence) const;
  slot_id add_timer(timestamp fire_at, bool absolute, slot_id wait);
  void deliver_result(history_event event);
  void list_waits(turn_outcome& outcome) const;
  void list_timers(turn_outcome& outcome) const;

  void schedule_activity(slot_id id, std::string input,
                         const activity_options& options,
                         std::uint32_t attempt);
  void create_child(slot_id id, std::string input, std::string version,
                    std::string instance);
  void complete_call(slot_id id, std::string result);
  void fail_call(slot_id id, task_sequence sequence, failure_details failure);
  bool retry(slot_id id, failure_details& failure);
  bool is_history_nearly_full(const call_retry& again) const;
  void note_failed_predicate(const std::string& called);
  void start_next_attempt(slot_id id);
  void fire_timer(task_sequence sequence);
  void accept_event(event_raised raised, timestamp time,
                    inbox_sequence sequence);
  void bind_event(slot_id wait, buffered_event event);
  void close_wait(slot_id id);
  void cancel_timer(slot_id id);
  void complete_slot(slot_id id);
  void remove_from_group(slot_id member, slot_id group);
  void link_waiter(slot_id id, detail::promise_base& waiter) noexcept;
  void unlink_waiter(detail::promise_base& waiter) noexcept;
  void wake_waiters(slot_id id) noexcept;
  void note_opened(slot_id id);
  void note_thrown_together(slot_id group);
  std::vector<std::exception_ptr>
  thrown_with(const std::exception_ptr& thrown) const;
  void mark_observed(slot_id id);

  execution_identity identity_;
  orchestration_log_sink log_;
  std::unordered_map<task_sequence, task_sequence> reruns_;
  /// A slot_id is an index. A deque, so that references stay valid.
  std::deque<orchestration_slot> slots_;
  std::vector<slot_id> slots_by_sequence_; ///< Indexed by task sequence.
  std::unordered_map<std::string, event_queue> events_; ///< By event_key.
  next_numbers next_;
  suspension suspended_;

  /// The time of the turn on both scales.
  struct {
    timestamp now{};
    elapsed_time elapsed{};
  } time_;

  /// Counted in the turns so far, in replays too. `events` begins with
  /// execution_started.
  struct {
    std::uint32_t turns = 0;
    std::uint64_t events = 1;       ///< Events of the history.
    std::uint64_t bytes = 0;        ///< Size of the history.
    std::uint64_t open_calls = 0;   ///< Calls without a final result.
    std::uint64_t paused_calls = 0; ///< Those that wait for the next attempt.

    void add(const history_body& body) {
      ++events;
      bytes += payload_bytes_of(body);
    }
  } used_;

  bool replaying_ = false;
  bool closed_ = false; ///< The code has ended.
  turn_output turn_;
  rewind_state rewind_;
  std::optional<continued_result> continuation_;
};

} // namespace perdura::actors
