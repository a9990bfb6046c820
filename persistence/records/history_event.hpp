// SPDX-License-Identifier: Apache-2.0
/// The events of an execution's history. A history records, in order,
/// everything from which the orchestrator's code can be replayed.
/// @source Event names as in durabletask-protobuf's HistoryEvent.
#pragma once

#include <perdura/persistence/records/ids.hpp>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace perdura::persistence {

/// The reason for which a task or an instance failed.
struct failure_details {
  std::string type;    ///< E.g. "std::runtime_error" or "limit_exceeded".
  std::string message; ///< The exception's message; shown to the orchestrator.

  bool operator==(const failure_details&) const = default;
};

template <class Inspector>
auto inspect(Inspector& f, failure_details& x) {
  return f(x.type, x.message);
}

/// The parent to which a child instance sends its result.
struct parent_link {
  instance_id instance;       ///< Empty means that there is no parent.
  execution_id execution;     ///< The parent's execution.
  task_sequence sequence = 0; ///< The parent's task that waits for the child.

  bool operator==(const parent_link&) const = default;
};

template <class Inspector>
auto inspect(Inspector& f, parent_link& x) {
  return f(x.instance, x.execution, x.sequence);
}

/// A turn begins. The time of this event is what `current_time()` returns in
/// the turn.
struct orchestrator_started {
  /// The time of this event minus the elapsed time of the partition. Changes
  /// when the wall clock is set. Since format 3; 0 in older histories.
  duration ahead{0};

  bool operator==(const orchestrator_started&) const = default;
};

/// The start of the execution: event 0 of each history.
struct execution_started {
  std::string name;    ///< The orchestrator's name.
  std::string version; ///< Empty means the unversioned orchestrator.
  std::string input;   ///< JSON text, as the client sent it.
  execution_id execution;
  parent_link parent;
  timestamp scheduled_at{}; ///< The epoch means an immediate start.
  /// Number of executions before this one that ended with continue-as-new.
  std::uint32_t generation = 0;

  bool operator==(const execution_started&) const = default;
};

/// One attempt of an activity call was scheduled.
struct task_scheduled {
  task_sequence sequence = 0;
  std::string name;          ///< The activity's name.
  std::string input;         ///< JSON text.
  std::uint32_t attempt = 1; ///< Counted from 1.
  duration time_out{0};      ///< Limit from start to result; 0 means no limit.
  /// Limit from scheduling until a worker starts the attempt; 0 means no
  /// limit.
  duration start_time_out{0};

  bool operator==(const task_scheduled&) const = default;
};

/// An activity returned a result.
struct task_completed {
  task_sequence sequence = 0;
  std::string result; ///< JSON text.

  bool operator==(const task_completed&) const = default;
};

/// An attempt of an activity failed.
struct task_failed {
  task_sequence sequence = 0;
  failure_details failure;

  bool operator==(const task_failed&) const = default;
};

/// The orchestrator created a timer.
struct timer_created {
  task_sequence sequence = 0;
  timestamp fire_at{};
  /// The code gave a time and no delay, so the timer follows the wall clock.
  /// Since format 3.
  bool absolute = false;

  bool operator==(const timer_created&) const = default;
};

/// A timer has fired.
struct timer_fired {
  task_sequence sequence = 0;
  /// The time at which the timer was due. The event may have a later time.
  timestamp fire_at{};

  bool operator==(const timer_fired&) const = default;
};

/// The orchestrator started a child instance.
struct sub_orchestration_instance_created {
  task_sequence sequence = 0;
  std::string name;     ///< The name of the child's orchestrator.
  std::string version;  ///< Empty means the newest version on the child's node.
  instance_id instance; ///< The ID of the child.
  std::string input;    ///< JSON text.

  bool operator==(const sub_orchestration_instance_created&) const = default;
};

/// A child instance completed.
struct sub_orchestration_instance_completed {
  task_sequence sequence = 0;
  std::string result; ///< JSON text.

  bool operator==(const sub_orchestration_instance_completed&) const = default;
};

/// A child instance failed or was terminated.
struct sub_orchestration_instance_failed {
  task_sequence sequence = 0;
  failure_details failure;

  bool operator==(const sub_orchestration_instance_failed&) const = default;
};

/// An external event arrived.
struct event_raised {
  /// The name as it was sent. Names match without regard to ASCII letter case.
  std::string name;
  std::string input; ///< JSON text.

  bool operator==(const event_raised&) const = default;
};

/// The orchestrator sent an event to another instance.
struct event_sent {
  task_sequence sequence = 0;
  instance_id instance; ///< The ID of the destination.
  std::string name;
  std::string input;

  bool operator==(const event_sent&) const = default;
};

/// The instance was suspended. `reason` is plain text from the client.
struct execution_suspended {
  std::string reason;

  bool operator==(const execution_suspended&) const = default;
};

/// The instance was resumed. `reason` is plain text from the client.
struct execution_resumed {
  std::string reason;

  bool operator==(const execution_resumed&) const = default;
};

/// The instance was terminated. `reason` is a JSON string and becomes the
/// instance's output.
struct execution_terminated {
  std::string reason;

  bool operator==(const execution_terminated&) const = default;
};

/// A task that a rewind runs again under a new number.
struct task_rerun {
  task_sequence old_sequence = 0;
  task_sequence new_sequence = 0;

  bool operator==(const task_rerun&) const = default;
};

template <class Inspector>
auto inspect(Inspector& f, task_rerun& x) {
  return f(x.old_sequence, x.new_sequence);
}

/// How the turn that follows a rewind repeats the void turns. The numbers are
/// stored.
enum class rewind_rule : std::uint8_t {
  /// Written before format 3: only the last turn is void. Its messages are
  /// delivered again with the time of the next turn. New decisions are compared
  /// with the void ones in order, and without their inputs.
  last_turn = 0,
  /// Each void turn is repeated with its own time. A new decision takes the
  /// place of a void one with the same content.
  from_cause = 1
};

/// A failed execution was rewound and continues. All turns from `turn_first` up
/// to this event are void; the next turn runs them again.
struct execution_rewound {
  std::string reason;
  /// The orchestrator_started event of the first void turn.
  event_index turn_first = 0;
  /// Earlier events that replay skips: the failures that the rewind undoes, the
  /// external events that the code could not read, and the execution_completed
  /// event.
  std::vector<event_index> voided;
  /// Activities that run again. Child instances that run again are not listed,
  /// because they keep their number.
  std::vector<task_rerun> reruns;
  /// The number of the first new decision.
  task_sequence next_sequence = 0;
  /// Since format 3, as are the fields below.
  rewind_rule rule = rewind_rule::last_turn;
  /// Failures or events are void, so the code may ask for a void decision in
  /// any later turn. Otherwise void decisions that the next turn does not
  /// request are abandoned.
  bool repeats_failures = false;
  /// Activities and children that can have no outcome any more, because their
  /// tasks were closed. New decisions do not take their place.
  std::vector<task_sequence> dropped = {};

  bool operator==(const execution_rewound&) const = default;
};

/// An external event that the code could not read. An event has no sequence of
/// its own: `number` counts the events of this name in the history, from 1 and
/// without the void ones. ASCII letter case of names is ignored.
struct unreadable_event {
  std::string name;
  std::uint64_t number = 0;

  bool operator==(const unreadable_event&) const = default;
};

template <class Inspector>
auto inspect(Inspector& f, unreadable_event& x) {
  return f(x.name, x.number);
}

/// The failures for which an execution failed. A rewind makes them void.
struct failure_causes {
  /// False in histories before format 3, which do not record the causes.
  bool known = false;
  std::vector<task_sequence> tasks; ///< Sequences of the failure events.
  std::vector<unreadable_event> events;

  bool operator==(const failure_causes&) const = default;
};

template <class Inspector>
auto inspect(Inspector& f, failure_causes& x) {
  return f(x.known, x.tasks, x.events);
}

/// The numbers are those of `runtime_status` and are stored.
enum class completion_status : std::uint8_t { completed = 1, failed = 3 };

/// The orchestrator's code returned or threw an exception.
struct execution_completed {
  completion_status status = completion_status::completed;
  /// The instance's output as JSON text; after a failure, a JSON string with
  /// the sentence that describes the failure.
  std::string result;
  failure_details failure;    ///< Empty unless the execution failed.
  failure_causes causes = {}; ///< Since format 3.

  bool operator==(const execution_completed&) const = default;
};

/// The last event of an execution that continued as new.
struct continue_as_new {
  std::string input;

  bool operator==(const continue_as_new&) const = default;
};

/// A turn ends.
struct orchestrator_completed {
  /// Tasks whose failure was delivered in this turn, to the orchestrator's
  /// code or to a retry policy. A rewind that makes one of these failures void
  /// makes this turn void too.
  std::vector<task_sequence> failures_received;

  bool operator==(const orchestrator_completed&) const = default;
};

/// The index of a type in this list is stored on disk as its tag. New types
/// are appended; the order never changes.
using history_body = std::variant<
  orchestrator_started, execution_started, task_scheduled, task_completed,
  task_failed, timer_created, timer_fired, sub_orchestration_instance_created,
  sub_orchestration_instance_completed, sub_orchestration_instance_failed,
  event_raised, event_sent, execution_suspended, execution_resumed,
  execution_terminated, execution_rewound, execution_completed, continue_as_new,
  orchestrator_completed>;

/// One entry of a history.
struct history_event {
  timestamp time{}; ///< When the partition received or recorded the event.
  history_body body;

  bool operator==(const history_event&) const = default;
};

// One field list for each type, in the order on disk. New fields are appended;
// the codec reads a missing field as its default.
template <class I>
auto inspect(I& f, orchestrator_started& x) {
  return f(x.ahead);
}

template <class I>
auto inspect(I& f, execution_started& x) {
  return f(x.name, x.version, x.input, x.execution, x.parent, x.scheduled_at,
           x.generation);
}

template <class I>
auto inspect(I& f, task_scheduled& x) {
  return f(x.sequence, x.name, x.input, x.attempt, x.time_out,
           x.start_time_out);
}

template <class I>
auto inspect(I& f, task_completed& x) {
  return f(x.sequence, x.result);
}

template <class I>
auto inspect(I& f, task_failed& x) {
  return f(x.sequence, x.failure);
}

template <class I>
auto inspect(I& f, timer_created& x) {
  return f(x.sequence, x.fire_at, x.absolute);
}

template <class I>
auto inspect(I& f, timer_fired& x) {
  return f(x.sequence, x.fire_at);
}

template <class I>
auto inspect(I& f, sub_orchestration_instance_created& x) {
  return f(x.sequence, x.name, x.version, x.instance, x.input);
}

template <class I>
auto inspect(I& f, sub_orchestration_instance_completed& x) {
  return f(x.sequence, x.result);
}

template <class I>
auto inspect(I& f, sub_orchestration_instance_failed& x) {
  return f(x.sequence, x.failure);
}

template <class I>
auto inspect(I& f, event_raised& x) {
  return f(x.name, x.input);
}

template <class I>
auto inspect(I& f, event_sent& x) {
  return f(x.sequence, x.instance, x.name, x.input);
}

template <class I>
auto inspect(I& f, execution_suspended& x) {
  return f(x.reason);
}

template <class I>
auto inspect(I& f, execution_resumed& x) {
  return f(x.reason);
}

template <class I>
auto inspect(I& f, execution_terminated& x) {
  return f(x.reason);
}

template <class I>
auto inspect(I& f, execution_rewound& x) {
  return f(x.reason, x.turn_first, x.voided, x.reruns, x.next_sequence, x.rule,
           x.repeats_failures, x.dropped);
}

template <class I>
auto inspect(I& f, execution_completed& x) {
  return f(x.status, x.result, x.failure, x.causes);
}

template <class I>
auto inspect(I& f, continue_as_new& x) {
  return f(x.input);
}

template <class I>
auto inspect(I& f, orchestrator_completed& x) {
  return f(x.failures_received);
}

template <class I>
auto inspect(I& f, history_event& x) {
  return f(x.time, x.body);
}

/// The event's name in the history that the HTTP API returns, e.g.
/// "TaskCompleted".
const char* name_of(const history_body& body);

} // namespace perdura::persistence
