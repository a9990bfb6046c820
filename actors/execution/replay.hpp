/// Reads a history as the turns that made it, and says where code and history
/// part. Pure: no code is run here.
#pragma once

#include "actors/execution/decision.hpp"
#include "actors/execution/orchestration_engine.hpp"

#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace perdura::actors {

/// One turn to be run again.
///
/// A rewind leaves out the turn F that failed; the next one, R, takes over
/// what F was given and what it asked for:
///
///     … [F: M, D, failed] rewound [R: M_R, D_R, …] …
///     replayed as            [R: M (less what is void) then M_R, D, then D_R]
///
/// and likewise if R failed and was rewound in its turn. While a turn is
/// Failed nothing that it asked for is given up, so that D can be taken over.
struct replay_turn {
  timestamp now{};
  std::vector<const history_event*> messages;
  std::vector<event_index> decisions; ///< To be compared with.
  std::optional<event_index> end;     ///< Completed, failed or continued.
  event_index last = 0;               ///< Its orchestrator_completed.
  std::optional<rewound_turn> rewound;
};

struct replay_plan {
  std::vector<replay_turn> turns; ///< All that are over.
  /// What the turn to come takes over: `messages` and `rewound`.
  replay_turn next;
  std::unordered_map<task_sequence, task_sequence> reruns; ///< New → old.
};

/// The plan points into `history`.
replay_plan plan_replay(std::span<const history_event> history);

/// Is this what history recorded? Kind and name; of a child its ID too, of a
/// sent event its receiver; of a timer the kind alone.
bool is_same_request(const decision& asked, const decision& recorded);

/// Compares a turn that was run again with history; a sentence if they part,
/// e.g. `event 17 of "order-17" scheduled activity Charge; the code now asks
/// for a timer of 30 s`.
std::optional<std::string> find_mismatch(const instance_id& instance,
                                         std::span<const history_event> history,
                                         const replay_turn& turn,
                                         std::span<const decision> asked,
                                         const turn_result& ended);

} // namespace perdura::actors
