// SPDX-License-Identifier: Apache-2.0
/// The changes that a rewind makes to the history of a failed execution.
#pragma once

#include "persistence/records/history_event.hpp"

#include <functional>
#include <span>
#include <unordered_map>
#include <vector>

namespace perdura::actors {

using persistence::event_index;
using persistence::execution_rewound;
using persistence::history_event;
using persistence::task_sequence;

/// Made from the history alone. Void become
///  - the failing execution_completed;
///  - the failures for which the code has failed, as the failing turn has
///    recorded them (failure_causes), and the events that the code could not
///    read;
///  - failures that arrived after the execution had failed.
///
/// The cut is the first turn in which the code received one of these; all turns
/// from the cut on are void. A failure that the code has not observed has had
/// no effect on the turn that delivered it, and does not move the cut. If
/// nothing but the execution_completed is void, only the last turn is.
///
/// Histories before format 3 do not record the causes: void are then the
/// failures that the code received in the failing turn or not at all and, if
/// there are none, all failures that no retry policy has handled.
struct rewind_plan {
  execution_rewound event; ///< Without the reason.
  /// Sequences of the failed sub-orchestrations to rewind.
  std::vector<task_sequence> children;
  /// Index of the event that scheduled each task or child, by sequence.
  std::unordered_map<task_sequence, event_index> scheduled;
  /// Maps the sequence of a rerun to the sequence of the task it repeats.
  std::unordered_map<task_sequence, task_sequence> origin;

  /// Returns the sequence that a task had before rewinds gave it others.
  task_sequence first_sequence_of(task_sequence sequence) const;

  /// Returns the index of the event that scheduled the task. The history
  /// contains no such event for a rerun; the event of the original task is
  /// returned instead.
  const event_index* scheduled_event_of(task_sequence sequence) const;
};

/// True for the failure of an activity or a sub-orchestration.
bool is_failure(const history_event& event);

/// Makes the plan. `inbox` contains the messages that were not delivered,
/// `next_sequence` is the first sequence that is not in use, and `is_open`
/// tells whether a task is open.
rewind_plan plan_rewind(std::span<const history_event> history,
                        const std::vector<const history_event*>& inbox,
                        task_sequence next_sequence,
                        const std::function<bool(task_sequence)>& is_open);

} // namespace perdura::actors
