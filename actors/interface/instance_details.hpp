// SPDX-License-Identifier: Apache-2.0
/// The open work of one instance: the tasks and events that it waits for, and
/// the state of its turns. Part of the answer to a get_status request.
///
/// The field lists define the layout between nodes: new fields are appended.
#pragma once

#include "persistence/records/records.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace perdura::actors {

using persistence::instance_id;
using persistence::task_kind;
using persistence::timestamp;

/// Largest number of tasks and largest number of waits that the details list.
/// The counts in the details include the others.
inline constexpr std::size_t tasks_shown_max = 1'000;

/// A task that has not ended, or a wait for an event.
struct task_details {
  task_kind kind = task_kind::activity;
  /// The name of the activity, child orchestrator or event. Empty for a timer
  /// and a scheduled start.
  std::string name;
  /// Time of the history event that scheduled the task, or of the turn that
  /// began the wait. The epoch if it is not known.
  timestamp since{};
  std::uint32_t attempt = 1; ///< Counted from 1; for activities.
  /// Set for timers and scheduled starts only: the time that the history
  /// states.
  timestamp fire_at{};
  instance_id child; ///< Set for sub-orchestrations only.
  /// No code waits for the activity: the instance has ended, or an earlier
  /// execution has scheduled the activity.
  bool is_left = false;
};

template <class I>
auto inspect(I& f, task_details& x) {
  return f(x.kind, x.name, x.since, x.attempt, x.fire_at, x.child, x.is_left);
}

/// The open work of one instance.
struct instance_details {
  /// At most `tasks_shown_max` tasks, then at most `tasks_shown_max` waits,
  /// each in the order in which they were opened.
  std::vector<task_details> tasks;
  std::uint64_t task_count = 0; ///< Open tasks without the waits.
  std::uint64_t wait_count = 0;
  bool is_turn_due = false;
  bool is_turn_running = false;
  /// A sentence if the orchestrator is paused by name; else empty.
  std::string paused;
  std::uint32_t partition = 0; ///< The partition of the instance.
  std::string node; ///< Its owner. Empty for a node without a cluster.
  /// The partitions that have not reported yet that nothing of the tree below
  /// the instance is left, after it was terminated recursively.
  std::vector<std::uint32_t> tree_left_in;
};

template <class I>
auto inspect(I& f, instance_details& x) {
  return f(x.tasks, x.task_count, x.wait_count, x.is_turn_due,
           x.is_turn_running, x.paused, x.partition, x.node, x.tree_left_in);
}

} // namespace perdura::actors
