/// What one execution has asked for and what has come of it: the ledger
/// behind an orchestration_context. Decides numbers, binds events to waits,
/// runs retry policies. Knows no clock; a turn is told its time.
#pragma once

#include "actors/authoring/when.hpp"
#include "actors/execution/decision.hpp"
#include "actors/execution/orchestration_run.hpp"

#include <coroutine>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace perdura::actors {

/// The last moment a timer can have: what HTTP can write with four digits.
inline constexpr timestamp timer_fire_at_max{
  std::chrono::microseconds{253'402'300'799'999'999}};

/// What a turn that a rewind has called for takes over.
struct rewound_turn {
  /// What the failed turn asked for, in order; matched first. One list for
  /// each turn, if the turn that took it over failed in its turn.
  std::vector<std::vector<const history_event*>> decisions;
  /// Tasks that begin anew: their retry policy does too.
  std::vector<task_sequence> renewed;
  task_sequence next_sequence = 0;
};

class orchestration_engine {
public:
  using slot_id = detail::slot_id;

  struct identity {
    instance_id instance;
    execution_id execution;
    std::string name;
    std::string version;
    instance_id parent;
  };

  /// `reruns`: new number → the number that the code knows.
  orchestration_engine(identity who, orchestration_log_sink sink,
                       std::unordered_map<task_sequence, task_sequence> reruns);

  // The code's side.
  slot_id ask_activity(std::string_view name, std::string input,
                       const activity_options& options);
  slot_id ask_sub_orchestration(std::string_view name, std::string input,
                                const sub_orchestration_options& options);
  slot_id ask_timer(timestamp fire_at);
  slot_id ask_event(std::string_view name, std::optional<timestamp> until);
  void send_event(std::string_view instance, std::string_view name,
                  std::string data);
  slot_id gather_all(std::span<const slot_id> members);
  slot_id gather_any(std::span<const slot_id> members);
  void continue_as_new(std::string input, bool keep_events);
  void set_custom_status(std::string status);
  void cancel(slot_id id);
  std::string new_guid();
  void log(int level, std::string_view text);

  bool is_settled(slot_id id);
  detail::settled take(slot_id id);
  void throw_first_failure(slot_id group);
  slot_id member_of(slot_id group, std::size_t index) const;
  std::size_t members_of(slot_id group) const;
  std::size_t winner_of(slot_id group);

  void suspend_on(slot_id id, detail::promise_base& waiter);
  void forget(detail::promise_base& waiter) noexcept;
  void continue_with(std::coroutine_handle<> next) noexcept;

  const identity& who() const {
    return who_;
  }

  timestamp now() const {
    return now_;
  }

  bool is_replaying() const {
    return replaying_;
  }

  // The run's side.
  void begin_turn(timestamp now, bool replaying);
  /// After begin_turn. What is pointed to must last until the turn's end.
  void take_over(rewound_turn rewound);
  /// `sequence` 0: from history. Resumes nothing.
  void deliver(history_event event, inbox_sequence sequence);
  /// The code has ended; what is delivered now changes nothing.
  void close();
  /// What the code waits for is there.
  bool is_ready() const;
  /// Runs the code until it waits again or ends.
  void resume();
  void run(std::coroutine_handle<> frame);

  /// What the turn has asked for so far.
  const std::vector<decision>& decisions() const {
    return turn_.decisions;
  }

  /// All of the outcome but instance, execution, number and result.
  void end_turn(turn_outcome& outcome);

  /// Was continue_as_new called? Then what is to be continued with.
  std::optional<continued_result> continuation() const;

private:
  /// What an event is found by: its name, ASCII letters in lower case.
  static std::string event_key(std::string_view name);

  static constexpr slot_id no_slot = ~slot_id{0};

  enum class slot_kind : std::uint8_t {
    activity,
    child,
    timer,
    event,
    all,
    any
  };

  struct membership {
    slot_id group = no_slot;
    std::uint32_t index = 0;
  };

  /// What further attempts need.
  struct call {
    std::string input;
    std::string version;  ///< Of a child.
    std::string instance; ///< Of a child; empty: by its number.
    activity_options options;
    std::uint32_t attempt = 1;
    timestamp first_at{};
    bool pausing = false; ///< `sequence` is that of the timer in between.
  };

  struct slot {
    slot_kind kind = slot_kind::activity;
    bool done = false;
    bool failed = false;
    bool cancelled = false;
    bool timed = false; ///< A wait with a time-out.
    bool timed_out = false;
    bool awaited = false;       ///< Its value was given to the code.
    bool seen = false;          ///< Its end was, so replay must repeat it.
    bool fired = false;         ///< A cancelled timer that fired all the same.
    task_sequence sequence = 0; ///< Of the task that is open now.
    task_sequence failed_as = 0;
    std::uint32_t open = 0;    ///< all: members not done; any: the winner.
    std::uint32_t turn = 0;    ///< event: opened in.
    slot_id other = no_slot;   ///< event ↔ the timer that limits it.
    std::uint64_t ordinal = 0; ///< event: as delivered.
    timestamp time{};          ///< event: as raised.
    std::string name;
    std::string result; ///< JSON, or the failure's message.
    std::string failure_type;
    std::vector<slot_id> members;
    std::vector<membership> groups;
    std::unique_ptr<call> retry;
  };

  struct buffered_event {
    std::uint64_t ordinal = 0;
    inbox_sequence sequence = 0;
    timestamp time{};
    event_raised raised;
  };

  struct event_queue {
    std::deque<buffered_event> buffered;
    std::deque<slot_id> waits; ///< Those done are skipped.
  };

  struct taken_message {
    std::uint64_t ordinal = 0;
    inbox_sequence sequence = 0;
  };

  /// What a turn leaves behind; cleared at its beginning.
  struct turn_notes {
    std::vector<decision> decisions;
    std::vector<taken_message> taken;
    std::vector<slot_id> waits_opened;
    std::vector<task_sequence> waits_closed;
    std::vector<task_sequence> timers_cancelled;
    std::vector<task_sequence> orphans;
    std::vector<task_sequence> failures_taken;
    std::optional<std::string> custom_status;
    std::size_t asked = 0;
    bool rewound = false;
  };

  slot_id add(slot_kind kind, std::string_view name);
  void expect_room() const;
  task_sequence decide(decision asked, bool child_by_number = false);
  void release_adopted();
  void track(task_sequence sequence, slot_id id);
  slot* open_task(task_sequence sequence);
  slot_id slot_of(task_sequence sequence) const;

  void schedule_activity(slot_id id, std::string input,
                         const activity_options& options,
                         std::uint32_t attempt);
  void create_child(slot_id id, std::string input, std::string version,
                    std::string instance);
  void succeed(task_sequence sequence, slot_kind kind, std::string result);
  void fail(task_sequence sequence, slot_kind kind, failure_details failure);
  bool retry(slot_id id, const failure_details& failure);
  void attempt_again(slot_id id);
  void fire(task_sequence sequence);
  void raise(event_raised raised, timestamp time, inbox_sequence sequence);
  void bind(slot_id wait, buffered_event event);
  void close_wait(const slot& wait);
  void cancel_timer(slot_id id);
  void settle(slot_id id);
  void leave_group(slot_id member, slot_id group);
  void see(slot_id id);

  identity who_;
  orchestration_log_sink log_;
  std::unordered_map<task_sequence, task_sequence> reruns_;
  std::deque<slot> slots_; ///< References stay valid.
  std::vector<slot_id> slots_by_sequence_;
  std::unordered_map<std::string, event_queue> events_; ///< By lower name.
  task_sequence next_sequence_ = 1;
  task_sequence next_wait_ = wait_sequence_first;
  std::uint64_t next_ordinal_ = 1;
  std::uint64_t guids_ = 0;

  detail::promise_base* waiter_ = nullptr;
  slot_id waits_on_ = no_slot;
  std::coroutine_handle<> next_;

  timestamp now_{};
  bool replaying_ = false;
  bool closed_ = false;
  std::uint32_t turn_count_ = 0;
  turn_notes turn_;
  std::deque<std::deque<const history_event*>> adopted_; ///< Still to match.
  std::optional<continued_result> continuation_;
};

} // namespace perdura::actors
