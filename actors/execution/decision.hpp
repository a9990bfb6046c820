/// What a turn is given and what it gives back.
#pragma once

#include "persistence/records/error.hpp"
#include "persistence/records/history_event.hpp"

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace perdura::actors {

using namespace persistence;

/// Number of a turn of one live instance, from 1; a turn that comes back with
/// another number than the one that is out is void.
using turn_number = std::uint64_t;

/// A message on its way into the code: task_completed, task_failed,
/// timer_fired, sub_orchestration_instance_completed / _failed, event_raised.
/// `sequence` grows within an instance and is never used twice.
struct delivery {
  inbox_sequence sequence = 0;
  history_event event;
};

/// One run of an orchestrator between awaits, to be done.
struct orchestration_work_item {
  instance_id instance;
  execution_id execution;
  turn_number number = 0;
  timestamp now{}; ///< `current_time()`; time of orchestrator_started.

  /// Set when no warm coroutine is to be used: the frame, if there is one, is
  /// dropped and `history` (whole, from execution_started) is replayed first.
  bool cold = false;
  std::vector<history_event> history;

  /// In order of delivery. A cold item holds also the buffered events that a
  /// warm run would still have.
  std::vector<delivery> deliveries;
};

/// A decision is written as the history event it becomes: task_scheduled,
/// timer_created, sub_orchestration_instance_created, event_sent.
using decision = history_body;

struct wait_opened {
  task_sequence sequence = 0; ///< From wait_sequence_first.
  std::string name;
};

struct completed_result {
  std::string result; ///< JSON text.
};

struct failed_result {
  failure_details failure;
};

struct continued_result {
  std::string input; ///< JSON text.
  bool keep_events = true;
  /// Events that were bound to a wait which the code never awaited, in order;
  /// they count as unprocessed. Empty unless `keep_events`.
  std::vector<history_event> carried;
};

/// The turn could not be run: the code does not fit the history, or is not
/// there. Nothing else of the outcome counts.
struct held_result {
  error reason; ///< errc::nondeterministic or errc::unknown_orchestrator.
};

using turn_result = std::variant<std::monostate, completed_result,
                                 failed_result, continued_result, held_result>;

/// What one turn asks for. Decisions, waits and cancellations in the order in
/// which the code made them; decisions taken over from a turn that a rewind
/// runs again are not repeated.
struct turn_outcome {
  instance_id instance;
  execution_id execution;
  turn_number number = 0;

  /// Deliveries that entered history, by sequence, in order of delivery: all
  /// but events that no wait has taken (those stay in the inbox).
  std::vector<inbox_sequence> taken;
  std::vector<decision> decisions;
  std::vector<wait_opened> waits_opened;
  std::vector<task_sequence> waits_closed; ///< Satisfied or cancelled.
  std::vector<task_sequence> timers_cancelled;
  /// Tasks of a turn that was run again, which the code no longer asks for.
  std::vector<task_sequence> orphans;
  std::vector<task_sequence> failures_taken;
  std::optional<std::string> custom_status; ///< JSON text, if it was set.
  task_sequence next_sequence = 1;          ///< After this turn.
  turn_result result; ///< monostate: the code waits for something.
};

} // namespace perdura::actors
