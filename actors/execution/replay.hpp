// SPDX-License-Identifier: Apache-2.0
/// Divides a history into turns to replay, and compares the requests of the
/// code with the history. The functions are pure and do not run the code.
#pragma once

#include "actors/execution/carried_decisions.hpp"
#include "actors/execution/decision.hpp"

#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace perdura::actors {

using persistence::event_index;

/// One turn to replay.
///
/// A rewind removes the turns F … G from the replay: G failed, and F is the
/// first turn in which the code received one of the failures that run again. In
/// the next turn R, the code receives the messages M of F … G again, with the
/// times of these turns, before its own. A decision of R that equals one of the
/// decisions D of F … G keeps its sequence and its task (carried_decisions).
/// The turns, in the history and as they are replayed:
///
///     history:   … [F: M_F, D_F] … [G: M_G, D_G, failed] rewound [R: M_R, D_R]
///     replayed:  …                             [R: M_F … M_G, then M_R; D_R]
///
/// Messages that the rewind made void are left out of M. If R fails and is
/// rewound too, the turn after R repeats F … G and R. While an instance is
/// failed, its tasks stay open, so that R can use the results of the tasks in
/// D. Histories before format 3 have only F = G; see rewind_rule::last_turn.
struct replay_turn {
  timestamp now{};
  elapsed_time elapsed{};
  std::vector<const history_event*> messages;
  /// Compared with the new decisions.
  std::vector<event_index> decisions;
  /// The event that ended the execution; empty if the execution did not end in
  /// this turn.
  std::optional<event_index> end;
  event_index last = 0; ///< The orchestrator_completed of the turn.
  std::optional<rewound_turn> rewound; ///< Set if this turn follows a rewind.
};

/// The turns to replay, and the state in which the next turn begins.
struct replay_plan {
  std::vector<replay_turn> turns; ///< The turns of the history, in order.
  /// The next turn. If it follows a rewind, `rewound` is set; otherwise all
  /// members have their defaults.
  replay_turn next;
  /// Maps the sequence that a rewind gave to a task to the sequence that the
  /// task had before the rewind.
  std::unordered_map<task_sequence, task_sequence> reruns;
};

/// Makes the plan for a complete history. The plan points into `history`, which
/// must outlive it.
replay_plan plan_replay(std::span<const history_event> history);

/// Returns true if the decision has the recorded kind and name and, for a
/// sub-orchestration or a sent event, also the recorded instance ID. Inputs and
/// the times of timers are not compared.
bool is_same_request(const decision& asked, const decision& recorded);

/// Compares a replayed turn with the history. Returns a message if they
/// differ, for example: event 17 of "order-17" scheduled activity Charge; the
/// code now asks for a timer of 30 s.
std::optional<std::string> find_mismatch(const instance_id& instance,
                                         std::span<const history_event> history,
                                         const replay_turn& turn,
                                         std::span<const decision> asked,
                                         const turn_result& ended);

} // namespace perdura::actors
