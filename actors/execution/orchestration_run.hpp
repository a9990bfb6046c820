// SPDX-License-Identifier: Apache-2.0
/// Runs the turns of one orchestration and keeps its coroutine between them.
/// Uses no clock, no threads and no CAF.
#pragma once

#include "actors/execution/decision.hpp"
#include "persistence/process/log_level.hpp"

#include <memory>

namespace perdura::actors {

class registry;

/// Receives the lines that an orchestrator logs while it is not replaying.
/// Called on the thread that runs the turn.
using orchestration_log_sink
  = void (*)(const instance_id&, persistence::log_level level,
             const std::string& text);

/// Not thread-safe; the coroutine may run on a different thread in each turn.
class orchestration_run {
public:
  explicit orchestration_run(std::shared_ptr<const registry> functions,
                             orchestration_log_sink log = nullptr);
  ~orchestration_run();

  orchestration_run(const orchestration_run&) = delete;
  orchestration_run& operator=(const orchestration_run&) = delete;

  /// Runs one turn. If the item is cold, replays `item.history` first. Then
  /// gives the code the deliveries one by one and resumes the code after each.
  /// An exception of user code becomes `failed_result`. A mismatch between
  /// code and history becomes `held_result` with a message that names the
  /// history event. A warm item requires that this object has run all earlier
  /// turns of the execution.
  /// @throws std::logic_error  The item is warm but there is no coroutine.
  turn_outcome run_turn(orchestration_work_item item);

  /// Destroys the coroutine with its local variables. The next turn must be
  /// cold.
  void discard();

private:
  class impl;
  std::unique_ptr<impl> impl_;
};

} // namespace perdura::actors
