// SPDX-License-Identifier: Apache-2.0
/// The input and the outcome of an orchestrator's turn. A turn delivers a batch
/// of messages to the orchestrator's code, one by one, and runs the code until
/// it ends or waits for a message that is not in the batch.
#pragma once

#include "persistence/records/error.hpp"
#include "persistence/records/history_event.hpp"
#include "persistence/records/time_scales.hpp"

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace perdura::actors {

using persistence::elapsed_time;
using persistence::error;
using persistence::execution_id;
using persistence::failure_details;
using persistence::history_body;
using persistence::history_event;
using persistence::inbox_sequence;
using persistence::instance_id;
using persistence::task_sequence;
using persistence::timestamp;

/// Number of a turn of one instance in memory, from 1. The partition ignores
/// an outcome whose number is not that of the running turn.
using turn_number = std::uint64_t;

/// A message for the orchestrator's code. The body of `event` is
/// task_completed, task_failed, timer_fired,
/// sub_orchestration_instance_completed, sub_orchestration_instance_failed or
/// event_raised. Sequences increase and are unique within an instance.
struct delivery {
  inbox_sequence sequence = 0;
  history_event event;
};

/// One turn to run.
struct orchestration_work_item {
  instance_id instance;
  execution_id execution;
  turn_number number = 0;
  /// The value of `current_time()`, and the time of orchestrator_started.
  timestamp now{};
  elapsed_time elapsed{}; ///< The elapsed time of the partition.

  /// If true, the run discards the coroutine in memory, if there is one, and
  /// replays `history` first. `history` is then complete and begins with
  /// execution_started. If false, `history` is empty.
  bool cold = false;
  std::vector<history_event> history;

  /// Messages in order of delivery. A cold item also contains the buffered
  /// events that were delivered to an earlier coroutine.
  std::vector<delivery> deliveries;
};

/// A request of the code that the history records, in the form of its history
/// event: task_scheduled, timer_created, sub_orchestration_instance_created or
/// event_sent.
using decision = history_body;

/// A wait for an external event. Waits are numbered separately from decisions.
struct wait_opened {
  task_sequence sequence = 0; ///< Numbered from `wait_sequence_first`.
  std::string name;
};

/// A timer that the code may still wait for.
struct timer_opened {
  task_sequence sequence = 0;
  timestamp fire_at{};
  elapsed_time due{};    ///< For a delay: the elapsed time at which it ends.
  bool absolute = false; ///< As in timer_created.
};

/// The orchestrator returned a value.
struct completed_result {
  std::string result; ///< JSON text.
};

/// The orchestrator threw an exception.
struct failed_result {
  failure_details failure;
};

/// The orchestrator called continue_as_new and returned.
struct continued_result {
  std::string input; ///< JSON text.
  bool keep_events = true;
  /// Events that the code has not processed and that are no longer in the
  /// inbox, in order of delivery. An example is the event of a wait that the
  /// code requested but never awaited. Empty if `keep_events` is false.
  std::vector<history_event> carried;
  /// The next execution has the version of this one, not the newest.
  bool keep_version = false;
};

/// The turn could not run. The rest of the outcome is ignored.
struct held_result {
  /// errc::nondeterministic: the code does not match the history.
  /// errc::unknown_orchestrator: the orchestrator is not registered.
  /// A storage error: the history cannot be read.
  error reason;
};

using turn_result = std::variant<std::monostate, completed_result,
                                 failed_result, continued_result, held_result>;

/// The outcome of a turn. Decisions, waits and cancellations are in the order
/// in which the code made them. If a rewind runs a failed turn again, the
/// decisions that the history already contains are left out.
struct turn_outcome {
  instance_id instance;
  execution_id execution;
  turn_number number = 0;

  /// Sequences of the consumed deliveries, in order of delivery. The partition
  /// appends these messages to the history. Events that no wait has received
  /// are not consumed and stay in the inbox.
  std::vector<inbox_sequence> consumed;
  std::vector<decision> decisions;
  std::vector<wait_opened> waits_opened;
  std::vector<task_sequence> waits_closed; ///< Waits completed or cancelled.
  std::vector<task_sequence> timers_cancelled;
  /// All waits that are open now, those in `waits_opened` too. Set if the turn
  /// was cold and not the first one: the code may be newer than that which has
  /// run the turns before, and a turn that repeats void turns may have opened
  /// other waits.
  std::optional<std::vector<wait_opened>> waits_open;
  /// All timers that are open now. Empty unless the turn repeats void turns,
  /// which may have cancelled some of them.
  std::vector<timer_opened> timers_open;
  /// Open tasks of void turns that the code did not request again when the
  /// turns were repeated.
  std::vector<task_sequence> orphans;
  /// Tasks whose failures the code received in this turn.
  std::vector<task_sequence> failures_received;
  std::optional<std::string> custom_status; ///< JSON text, if it was set.
  task_sequence next_sequence = 1; ///< Used by the next turn's first decision.
  /// Set if the code has failed.
  persistence::failure_causes causes;
  turn_result result; ///< std::monostate if the code waits for a message.
};

} // namespace perdura::actors
