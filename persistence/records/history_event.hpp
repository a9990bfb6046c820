/// What happened to one execution, in order: the vocabulary of its history.
/// @source Event names as in durabletask-protobuf's HistoryEvent.
#pragma once

#include <perdura/persistence/records/ids.hpp>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace perdura::persistence {

/// Why a task or an instance failed.
struct failure_details {
  std::string type;    ///< e.g. "std::runtime_error", "limit_exceeded"
  std::string message; ///< As thrown; what the orchestrator sees.

  bool operator==(const failure_details&) const = default;
};

template <class Inspector>
auto inspect(Inspector& f, failure_details& x) {
  return f(x.type, x.message);
}

/// Where a child's outcome goes. `instance` empty: no parent.
struct parent_link {
  instance_id instance;
  execution_id execution;
  task_sequence sequence = 0;

  bool operator==(const parent_link&) const = default;
};

template <class Inspector>
auto inspect(Inspector& f, parent_link& x) {
  return f(x.instance, x.execution, x.sequence);
}

/// A turn begins; its time is the event's time and `current_time()`.
struct orchestrator_started {
  bool operator==(const orchestrator_started&) const = default;
};

/// Always event 0. `input` is JSON text, verbatim.
struct execution_started {
  std::string name;
  std::string version; ///< Empty: the unversioned orchestrator.
  std::string input;
  execution_id execution;
  parent_link parent;
  timestamp scheduled_at{};     ///< Epoch: at once.
  std::uint32_t generation = 0; ///< Continue-as-new so far.

  bool operator==(const execution_started&) const = default;
};

/// One attempt of one activity call.
struct task_scheduled {
  task_sequence sequence = 0;
  std::string name;
  std::string input;
  std::uint32_t attempt = 1;
  duration time_out{0};       ///< Start to close; 0: none.
  duration start_time_out{0}; ///< Until a worker takes it; 0: none.

  bool operator==(const task_scheduled&) const = default;
};

struct task_completed {
  task_sequence sequence = 0;
  std::string result;

  bool operator==(const task_completed&) const = default;
};

struct task_failed {
  task_sequence sequence = 0;
  failure_details failure;

  bool operator==(const task_failed&) const = default;
};

struct timer_created {
  task_sequence sequence = 0;
  timestamp fire_at{};

  bool operator==(const timer_created&) const = default;
};

struct timer_fired {
  task_sequence sequence = 0;
  timestamp fire_at{};

  bool operator==(const timer_fired&) const = default;
};

struct sub_orchestration_instance_created {
  task_sequence sequence = 0;
  std::string name;
  std::string version; ///< Empty: the newest the child's node knows.
  instance_id instance;
  std::string input;

  bool operator==(const sub_orchestration_instance_created&) const = default;
};

struct sub_orchestration_instance_completed {
  task_sequence sequence = 0;
  std::string result;

  bool operator==(const sub_orchestration_instance_completed&) const = default;
};

struct sub_orchestration_instance_failed {
  task_sequence sequence = 0;
  failure_details failure;

  bool operator==(const sub_orchestration_instance_failed&) const = default;
};

struct event_raised {
  std::string name; ///< As raised; compared case-insensitively (ASCII).
  std::string input;

  bool operator==(const event_raised&) const = default;
};

struct event_sent {
  task_sequence sequence = 0;
  instance_id instance;
  std::string name;
  std::string input;

  bool operator==(const event_sent&) const = default;
};

struct execution_suspended {
  std::string reason;

  bool operator==(const execution_suspended&) const = default;
};

struct execution_resumed {
  std::string reason;

  bool operator==(const execution_resumed&) const = default;
};

/// `reason` is a JSON string: it is the instance's output.
struct execution_terminated {
  std::string reason;

  bool operator==(const execution_terminated&) const = default;
};

/// A task that a rewind runs again: its old number and its new one.
struct task_rerun {
  task_sequence old_sequence = 0;
  task_sequence new_sequence = 0;

  bool operator==(const task_rerun&) const = default;
};

template <class Inspector>
auto inspect(Inspector& f, task_rerun& x) {
  return f(x.old_sequence, x.new_sequence);
}

/// The failed execution goes on. Replay skips what is void; the turn that
/// failed begins at `turn_first` (its orchestrator_started) and is run again
/// as the next turn; numbers for new decisions start at `next_sequence`.
struct execution_rewound {
  std::string reason;
  event_index turn_first = 0;
  std::vector<event_index> voided; ///< Failures, and the execution_completed.
  std::vector<task_rerun> reruns;  ///< Activities; children keep theirs.
  task_sequence next_sequence = 0;

  bool operator==(const execution_rewound&) const = default;
};

enum class completion_status : std::uint8_t { completed = 1, failed = 3 };

/// The end. `result` is JSON text; of a failure it is a JSON string with the
/// sentence that stands in the instance's output.
struct execution_completed {
  completion_status status = completion_status::completed;
  std::string result;
  failure_details failure; ///< Empty unless failed.

  bool operator==(const execution_completed&) const = default;
};

/// The last event of an execution that continued as new.
struct continue_as_new {
  std::string input;

  bool operator==(const continue_as_new&) const = default;
};

/// A turn ends. `failures_taken`: tasks whose failure the code (or a retry
/// policy) has been given in this turn; a later rewind leaves those alone.
struct orchestrator_completed {
  std::vector<task_sequence> failures_taken;

  bool operator==(const orchestrator_completed&) const = default;
};

/// The place in this list is the tag on disk. Append; never reorder.
using history_body = std::variant<
  orchestrator_started, execution_started, task_scheduled, task_completed,
  task_failed, timer_created, timer_fired, sub_orchestration_instance_created,
  sub_orchestration_instance_completed, sub_orchestration_instance_failed,
  event_raised, event_sent, execution_suspended, execution_resumed,
  execution_terminated, execution_rewound, execution_completed, continue_as_new,
  orchestrator_completed>;

struct history_event {
  timestamp time{};
  history_body body;

  bool operator==(const history_event&) const = default;
};

// One field list per record; fields are only ever appended.
template <class I>
auto inspect(I& f, orchestrator_started&) {
  return f();
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
  return f(x.sequence, x.fire_at);
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
  return f(x.reason, x.turn_first, x.voided, x.reruns, x.next_sequence);
}

template <class I>
auto inspect(I& f, execution_completed& x) {
  return f(x.status, x.result, x.failure);
}

template <class I>
auto inspect(I& f, continue_as_new& x) {
  return f(x.input);
}

template <class I>
auto inspect(I& f, orchestrator_completed& x) {
  return f(x.failures_taken);
}

template <class I>
auto inspect(I& f, history_event& x) {
  return f(x.time, x.body);
}

/// The event's name as it stands in the HTTP history, e.g. "TaskCompleted".
const char* name_of(const history_body& body);

} // namespace perdura::persistence
