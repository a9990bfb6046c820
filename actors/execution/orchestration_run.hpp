/// One orchestration, warm: the coroutine frame between two turns, and the
/// replay that brings it back. No clock, no thread, no CAF.
#pragma once

#include "actors/execution/decision.hpp"

#include <memory>

namespace perdura::actors {

class registry;

/// The orchestrator's own log lines while it is not replaying.
/// (level as spdlog's: 2 info, 3 warn, 4 error), text.
using orchestration_log_sink
  = void (*)(const instance_id&, int level, const std::string& text);

class orchestration_run {
public:
  /// `functions` must outlive the run.
  explicit orchestration_run(std::shared_ptr<const registry> functions,
                             orchestration_log_sink log = nullptr);
  ~orchestration_run();

  orchestration_run(const orchestration_run&) = delete;
  orchestration_run& operator=(const orchestration_run&) = delete;

  /// Runs one turn: replays `item.history` first if it is cold, then gives
  /// the code the deliveries one by one, resuming it after each. Whatever
  /// user code throws becomes `failed_result`; a mismatch between code and
  /// history becomes `held_result` with a sentence that names the event.
  /// A warm item needs a run that has seen all earlier turns.
  turn_outcome run_turn(orchestration_work_item item);

  /// Destroys the coroutine and all that it holds; a cold turn may follow.
  void forget();

private:
  class impl;
  std::unique_ptr<impl> impl_;
};

} // namespace perdura::actors
