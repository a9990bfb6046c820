// SPDX-License-Identifier: Apache-2.0
/// The turn of the partition that step_turn_completed assembles, and how the
/// outcome of the orchestrator's turn ends it.
#pragma once

#include "actors/partition/steps.hpp"

#include <string>

namespace perdura::actors {

using persistence::errc;
using persistence::runtime_status;

/// The partition's turn while it is assembled from the outcome of an
/// orchestrator's turn.
struct turn_in_progress {
  const durable_partition& durable;
  volatile_partition& live;
  const instance_id& id;
  loaded_instance loaded;
  turn_outcome& outcome;
  timestamp now;
  instance_draft draft;
  turn out;
  /// The open activities whose inputs a continue-as-new needs.
  const scheduled_activities& inputs;
  bool starting = false;  ///< The turn contains the start of the instance.
  bool suspended = false; ///< The instance was suspended during the turn.

  /// Sets the status that the instance has, or that it will have after
  /// resume if it is suspended and unfinished.
  void set_status(runtime_status status) {
    instance_record& record = draft.record();
    (suspended && !is_finished(status) ? record.status_resumed : record.status)
      = status;
  }
};

/// Answers the requests of a message that this turn makes durable.
void answer_message(turn_in_progress& t, arrived_message& message,
                    errc code = errc::ok, const std::string& why = {});

/// Completes the instance. Its activities stay open until they have run; their
/// results are dropped.
void complete(turn_in_progress& t, completed_result& result);

/// Fails the instance. Its tasks stay open, because a rewind can use the
/// results of activities that are still running.
void fail(turn_in_progress& t, const failure_details& failure);

/// Begins the next execution of an instance that continues as new. Its first
/// turn is due at once.
void begin_next_execution(turn_in_progress& t, continued_result& result);

/// Appends the last event of the turn.
void finish_turn(turn_in_progress& t);

/// Handles the messages of an instance that goes on waiting: a message that
/// the next turn cannot consume enters the inbox with this turn, any other
/// message waits for the next turn.
void continue_waiting(turn_in_progress& t);

} // namespace perdura::actors
