// SPDX-License-Identifier: Apache-2.0
/// The change that one turn makes to one instance, while a step assembles it.
/// The functions that read the draft return the stored state with the change
/// applied.
#pragma once

#include "actors/execution/history_size.hpp"
#include "actors/partition/volatile_partition.hpp"

#include <functional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace perdura::actors {

using persistence::instance_record;
using persistence::instance_write;
using persistence::open_task;

/// Not thread-safe.
class instance_draft {
public:
  /// Changes a stored instance. `base` must outlive the draft and must not
  /// change while the draft exists.
  instance_draft(instance_id id, const stored_instance& base);

  /// Creates an instance, or replaces a finished one. The history begins with
  /// `start.started`.
  instance_draft(instance_id id, const arrived_start& start);

  /// The record to write.
  instance_record& record() {
    return write_.record ? *write_.record : write_.record.emplace();
  }

  /// Begins the next execution (continue-as-new): history, tasks and waits of
  /// the current execution are removed, except those in `left`; the inbox
  /// stays.
  void begin_execution(history_event started,
                       std::vector<std::pair<task_sequence, open_task>> left
                       = {});

  /// Returns an event that this draft has appended; null if it has not.
  const history_event* appended(event_index index) const;

  /// Appends an event to the history and returns its index.
  event_index append(timestamp time, history_body body);

  /// Opens a task or a wait; replaces a stored one with the same sequence,
  /// which must have the same name. A wait gets the event with which the turn
  /// begins as its `scheduled_event`.
  void open(task_sequence sequence, open_task task);

  /// Closes a task or a wait. Does nothing if none with this sequence is open.
  void close(task_sequence sequence);

  /// The code ends: closes all tasks and waits except activities, because each
  /// scheduled activity runs at least once.
  void close_all_but_activities();

  bool is_open(task_sequence sequence) const;

  /// Calls `visit` with each open activity: its sequence and the task.
  void each_activity(
    const std::function<void(task_sequence, const open_task&)>& visit) const;

  /// Returns true if a wait for an event of that name is open. ASCII letter
  /// case is ignored.
  bool awaits_event(std::string_view name) const;

  /// Adds a message to the inbox.
  void put_inbox(inbox_sequence sequence, history_event event);

  /// Removes a message from the inbox; does nothing if it is not there.
  void remove_from_inbox(inbox_sequence sequence);

  /// Sets the custom status, a JSON text.
  void set_custom_status(std::string text) {
    write_.custom_status = std::move(text);
  }

  /// Returns true if a turn can consume a message of the changed inbox.
  bool has_deliverable() const;

  /// Returns the changed inbox, in order of delivery.
  std::vector<std::pair<inbox_sequence, history_event>> inbox() const;

  /// Sets the time of the last update and returns the write, which is moved out
  /// of the draft.
  instance_write&& finish(timestamp now) &&;

private:
  /// The event of this draft with which the turn begins; 0 if there is none.
  event_index turn_begin() const;

  const stored_instance* base_ = nullptr; ///< Null for a new instance.
  instance_write write_;
  /// The same numbers as in write_.tasks_closed and write_.inbox_removed, for
  /// fast lookup.
  std::unordered_set<task_sequence> closed_;
  std::unordered_set<inbox_sequence> removed_from_inbox_;
};

/// Derives the ID of the execution that follows `previous`. The same arguments
/// give the same ID, so that steps need no randomness.
execution_id next_execution(const execution_id& previous,
                            std::uint32_t generation);

} // namespace perdura::actors
