// SPDX-License-Identifier: Apache-2.0
/// A *slot*: one thing that an orchestrator can await. There are seven kinds,
/// and one struct for each of them.
#pragma once

#include "actors/authoring/retry_options.hpp"
#include "actors/authoring/task.hpp"
#include "persistence/records/time_scales.hpp"

#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

namespace perdura::actors {

using detail::no_slot;
using detail::slot_id;
using persistence::elapsed_time;
using persistence::task_sequence;
using persistence::timestamp;

/// When a timer is due; see timer_opened.
struct timer_times {
  timestamp fire_at{};
  elapsed_time due{};
  bool absolute = false;
};

/// The further attempts of a call with a retry policy.
struct call_retry {
  std::string input;
  std::string version; ///< For a sub-orchestration.
  /// The child's ID; if empty, the ID is derived from the sequence.
  std::string instance;
  activity_options options; ///< For a sub-orchestration, only `retry` is set.
  std::uint32_t attempt = 1;
  elapsed_time first_at{}; ///< When the first attempt was requested.
  /// True while the slot waits for the timer between two attempts;
  /// `orchestration_slot::sequence` is then the sequence of that timer.
  bool waiting_to_retry = false;
  timer_times pause = {}; ///< The times of that timer.
};

/// The common part of activities and sub-orchestrations.
struct call_slot {
  std::string name; ///< Name of the activity or orchestrator.
  bool failed = false;
  /// The sequence in the history event of the failure. After a rewind, it may
  /// differ from `orchestration_slot::sequence`.
  task_sequence failed_as = 0;
  std::string result; ///< JSON text, or the message of the failure.
  std::string failure_type;
  std::unique_ptr<call_retry> retry; ///< Null if the call is not retried.

  bool is_waiting_to_retry() const {
    return retry && retry->waiting_to_retry;
  }
};

struct activity_slot : call_slot {};

struct child_slot : call_slot {};

struct timer_slot {
  bool cancelled = false;
  bool fired = false;
  slot_id wait = no_slot; ///< The event wait whose time-out this timer is.
  timer_times times;
};

/// A wait for an event.
struct event_slot {
  std::string name; ///< Name of the event.
  bool cancelled = false;
  bool timed = false;      ///< The wait has a time-out.
  bool timed_out = false;  ///< The time-out passed before an event came.
  bool awaited = false;    ///< The code has received the event's data.
  std::uint32_t turn = 0;  ///< The turn in which the wait was opened.
  slot_id timer = no_slot; ///< The timer of the time-out.
  /// The place of the bound event in the order of delivery; 0 if no event is
  /// bound.
  std::uint64_t ordinal = 0;
  /// The bound event counted among those of its name, from 1.
  std::uint64_t number = 0;
  timestamp time{};   ///< When the bound event was raised.
  std::string result; ///< JSON text.
};

/// A group that is completed when all of its members are.
struct all_slot {
  std::vector<slot_id> members;
  std::uint32_t open = 0; ///< Members that are not done.
};

/// A group that is completed when one of its members is.
struct any_slot {
  std::vector<slot_id> members;
  std::uint32_t winner = 0; ///< The index of the first member that was done.
};

/// A helper coroutine that a when_all or when_any has started.
struct task_slot {
  std::exception_ptr error; ///< The exception that has ended the coroutine.
  /// The timers and the waits for events that the coroutine has requested. They
  /// are cancelled if the coroutine is destroyed before its end.
  std::vector<slot_id> opened;
};

/// Membership of a slot in a group.
struct slot_membership {
  slot_id group = no_slot;
  std::uint32_t index = 0; ///< The slot's index in the group.
};

/// The common part of all kinds, and the data of the slot's own kind. The kind
/// of a slot never changes.
struct orchestration_slot {
  using body_type = std::variant<activity_slot, child_slot, timer_slot,
                                 event_slot, all_slot, any_slot, task_slot>;

  body_type body;
  /// Sequence of the open task, timer or wait; 0 for a group and for a
  /// task_slot.
  task_sequence sequence = 0;
  /// The slot has a result, has failed or was cancelled.
  bool done = false;
  bool observed = false;               ///< The code knows that it is done.
  std::vector<slot_membership> groups; ///< Groups that wait for this slot.
  /// The coroutines that wait for this slot, newest first; see wait_entry.
  detail::promise_base* waiters = nullptr;

  /// Returns the data of an activity or a sub-orchestration; null for the other
  /// kinds.
  call_slot* call() {
    if (auto* activity = std::get_if<activity_slot>(&body))
      return activity;
    return std::get_if<child_slot>(&body);
  }

  const call_slot* call() const {
    if (const auto* activity = std::get_if<activity_slot>(&body))
      return activity;
    return std::get_if<child_slot>(&body);
  }

  /// Returns the members of a group; null for the other kinds.
  const std::vector<slot_id>* members() const {
    if (const auto* all = std::get_if<all_slot>(&body))
      return &all->members;
    const auto* any = std::get_if<any_slot>(&body);
    return any != nullptr ? &any->members : nullptr;
  }

  /// True if awaiting the slot throws: the call or the task failed, or the
  /// timer or the wait was cancelled.
  bool throws() const {
    return std::visit(
      [](const auto& kind) {
        if constexpr (requires { kind.failed; })
          return kind.failed;
        else if constexpr (requires { kind.cancelled; })
          return kind.cancelled;
        else if constexpr (requires { kind.error; })
          return kind.error != nullptr;
        else
          return false;
      },
      body);
  }
};

} // namespace perdura::actors
