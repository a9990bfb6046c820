// SPDX-License-Identifier: Apache-2.0
#include "actors/execution/orchestration_engine.hpp"
#include "persistence/process/process_counters.hpp"
#include "persistence/records/text.hpp"

#include <algorithm>
#include <exception>
#include <utility>

// The part of orchestration_engine that delivers messages: it finds the task
// or the wait to which a message belongs and completes it.

namespace perdura::actors {

using namespace persistence;

namespace {

/// Returns `from + by`, but at most timer_fire_at_max and at least `from`.
timestamp later(timestamp from, duration by) {
  if (by >= timer_fire_at_max - from)
    return timer_fire_at_max;
  return std::max(from, from + by);
}

} // namespace

std::string orchestration_engine::event_key(std::string_view name) {
  return persistence::to_lower(name);
}

void orchestration_engine::deliver(history_event event,
                                   inbox_sequence sequence) {
  if (auto* raised = std::get_if<event_raised>(&event.body)) {
    accept_event(std::move(*raised), event.time, sequence);
    return;
  }
  // A result is consumed even if no task is open for it any more.
  const std::uint64_t ordinal = next_ordinal_++;
  if (sequence != 0)
    turn_.consumed.push_back({ordinal, sequence});
  if (closed_)
    return;
  if (auto* x = std::get_if<task_completed>(&event.body))
    complete_task(x->sequence, slot_kind::activity, std::move(x->result));
  else if (auto* f = std::get_if<persistence::task_failed>(&event.body))
    fail_task(f->sequence, slot_kind::activity, std::move(f->failure));
  else if (auto* t = std::get_if<timer_fired>(&event.body))
    fire_timer(t->sequence);
  else if (auto* c
           = std::get_if<sub_orchestration_instance_completed>(&event.body))
    complete_task(c->sequence, slot_kind::child, std::move(c->result));
  else if (auto* d
           = std::get_if<sub_orchestration_instance_failed>(&event.body))
    fail_task(d->sequence, slot_kind::child, std::move(d->failure));
}

/// Returns the slot to which the sequence was given, or no_slot.
orchestration_engine::slot_id
orchestration_engine::slot_of(task_sequence sequence) const {
  return sequence < slots_by_sequence_.size() ? slots_by_sequence_[sequence]
                                              : no_slot;
}

/// Returns the slot whose open task has this sequence. `sequence` may be the
/// one that a rewind gave to the task. Null if no open task matches.
orchestration_engine::slot*
orchestration_engine::open_task(task_sequence sequence) {
  // A task that was rewound several times has a chain of sequences.
  for (auto it = reruns_.find(sequence); it != reruns_.end();
       it = reruns_.find(sequence))
    sequence = it->second;
  const slot_id id = slot_of(sequence);
  if (id == no_slot || slots_[id].done || slots_[id].sequence != sequence)
    return nullptr;
  return &slots_[id];
}

/// Completes the open task with a result. Ignored if no open task of the kind
/// has the sequence, or if its slot waits for the timer before a retry.
void orchestration_engine::complete_task(task_sequence sequence, slot_kind kind,
                                         std::string result) {
  slot* open = open_task(sequence);
  if (!open || open->kind != kind
      || (open->retry && open->retry->waiting_to_retry))
    return;
  open->result = std::move(result);
  complete_slot(slot_of(open->sequence));
}

/// Handles the failure of an attempt: retries it or fails the slot. Ignored
/// under the same conditions as in complete_task.
void orchestration_engine::fail_task(task_sequence sequence, slot_kind kind,
                                     failure_details failure) {
  slot* open = open_task(sequence);
  if (!open || open->kind != kind
      || (open->retry && open->retry->waiting_to_retry))
    return;
  const slot_id id = slot_of(open->sequence);
  open->failed_as = sequence;
  if (open->retry && retry(id, failure))
    return;
  open->failed = true;
  open->failure_type = std::move(failure.type);
  open->result = std::move(failure.message);
  complete_slot(id);
}

/// Logs and counts an exception of a retry predicate; called by its handler. A
/// replay calls the predicate again, and notes nothing.
void orchestration_engine::note_failed_predicate(const std::string& called) {
  if (is_replaying())
    return;
  persistence::counters_of_process().callback_failures.fetch_add(1);
  std::string message = "one of an unknown type";
  try {
    throw;
  } catch (const std::exception& failure) {
    message = failure.what();
  } catch (...) { // keeps the text above
  }
  if (log_)
    log_(identity_.instance, persistence::log_level::error,
         "The retry predicate for \"" + called + "\" has thrown an exception: "
           + message + ". The call is not retried.");
}

/// Applies the retry policy to a failed attempt. Returns true if another
/// attempt follows; the timer that precedes that attempt has then been
/// requested.
bool orchestration_engine::retry(slot_id id, const failure_details& failure) {
  slot& failed = slots_[id];
  call& again = *failed.retry;
  const retry_options& policy = again.options.retry;
  if (again.attempt >= static_cast<std::uint32_t>(policy.attempts_max))
    return false;
  const timestamp at = later(now_, interval_after(policy, again.attempt));
  if (policy.time_out > duration::zero()
      && at > later(again.first_at, policy.time_out))
    return false;
  if (policy.handle) {
    try {
      if (!policy.handle(task_failed(failed.kind == slot_kind::child
                                       ? task_failed::callee::sub_orchestration
                                       : task_failed::callee::activity,
                                     failed.name, failure.type,
                                     failure.message)))
        return false;
    } catch (...) {
      note_failed_predicate(failed.name);
      return false; // a predicate that throws counts as "do not retry"
    }
  }
  // The policy has handled the failure, so a later rewind does not make the
  // failure void.
  turn_.failures_received.push_back(failed.failed_as);
  again.waiting_to_retry = true;
  track(decide(timer_created{0, at}), id);
  return true;
}

/// Requests the next attempt, after the pause that the retry policy sets.
void orchestration_engine::start_next_attempt(slot_id id) {
  call& again = *slots_[id].retry;
  again.waiting_to_retry = false;
  ++again.attempt;
  if (slots_[id].kind == slot_kind::activity)
    schedule_activity(id, again.input, again.options, again.attempt);
  else
    create_child(id, again.input, again.version, again.instance);
}

void orchestration_engine::fire_timer(task_sequence sequence) {
  const slot_id id = slot_of(sequence);
  if (id == no_slot || slots_[id].sequence != sequence)
    return;
  slot& due = slots_[id];
  // A slot with a retry policy has a timer only between two attempts.
  if (due.retry) {
    if (!due.done && due.retry->waiting_to_retry)
      start_next_attempt(id);
    return;
  }
  if (due.kind != slot_kind::timer)
    return;
  due.fired = true;
  if (due.done)
    return;
  complete_slot(id);
  if (due.linked == no_slot)
    return;
  // The timer belongs to a wait with a time-out, which has received no event.
  slot& wait = slots_[due.linked];
  wait.timed_out = true;
  close_wait(wait);
  complete_slot(due.linked);
}

/// Binds the event to the oldest open wait for its name, or buffers it.
void orchestration_engine::accept_event(event_raised raised, timestamp time,
                                        inbox_sequence sequence) {
  event_queue& queue = events_[event_key(raised.name)];
  buffered_event event{next_ordinal_++, sequence, time, std::move(raised)};
  while (!queue.waits.empty() && slots_[queue.waits.front()].done)
    queue.waits.pop_front();
  if (closed_ || queue.waits.empty()) {
    queue.buffered.push_back(std::move(event));
    return;
  }
  const slot_id wait = queue.waits.front();
  queue.waits.pop_front();
  bind_event(wait, std::move(event));
}

/// Completes the wait with the event and cancels the wait's timer.
void orchestration_engine::bind_event(slot_id id, buffered_event event) {
  slot& wait = slots_[id];
  if (event.sequence != 0)
    turn_.consumed.push_back({event.ordinal, event.sequence});
  wait.ordinal = event.ordinal;
  wait.time = event.time;
  wait.name = std::move(event.raised.name);
  wait.result = std::move(event.raised.input);
  close_wait(wait);
  if (wait.linked != no_slot)
    cancel_timer(wait.linked);
  complete_slot(id);
}

/// Adds the wait to the closed waits of the turn, unless this turn has opened
/// it: the partition does not know such a wait yet.
void orchestration_engine::close_wait(const slot& wait) {
  if (wait.turn != turn_count_)
    turn_.waits_closed.push_back(wait.sequence);
}

/// Cancels a timer that has not fired. The partition closes its task.
void orchestration_engine::cancel_timer(slot_id id) {
  slot& timer = slots_[id];
  if (timer.done)
    return;
  timer.cancelled = true;
  turn_.timers_cancelled.push_back(timer.sequence);
  complete_slot(id);
}

// Cancels a timer or an event wait. Activities, sub-orchestrations and groups
// cannot be cancelled: for these the call has no effect.
void orchestration_engine::cancel(slot_id id) {
  slot& unwanted = slots_[id];
  if (unwanted.done)
    return;
  if (unwanted.kind == slot_kind::timer) {
    cancel_timer(id);
  } else if (unwanted.kind == slot_kind::event) {
    unwanted.cancelled = true;
    close_wait(unwanted);
    if (unwanted.linked != no_slot)
      cancel_timer(unwanted.linked);
    complete_slot(id);
  }
}

/// Marks the slot as done and completes the groups that wait for it.
void orchestration_engine::complete_slot(slot_id id) {
  slots_[id].done = true;
  const std::vector<membership> groups = std::move(slots_[id].groups);
  slots_[id].groups.clear();
  for (const membership& in : groups) {
    slot& group = slots_[in.group];
    if (group.done)
      continue;
    if (group.kind == slot_kind::all) {
      if (--group.open == 0)
        complete_slot(in.group);
      continue;
    }
    // The first member completes a group of the kind `any`.
    group.open = in.index;
    for (slot_id member : group.members)
      remove_from_group(member, in.group);
    complete_slot(in.group);
  }
}

/// Deletes the entry of a completed group from the list `groups` of one of its
/// members. Without this, a slot that is awaited in many when_any calls would
/// keep an entry for each of these calls. The newest entry is last.
void orchestration_engine::remove_from_group(slot_id member, slot_id group) {
  std::vector<membership>& groups = slots_[member].groups;
  auto it
    = std::find_if(groups.rbegin(), groups.rend(),
                   [&](const membership& in) { return in.group == group; });
  if (it != groups.rend())
    groups.erase(std::next(it).base());
}

} // namespace perdura::actors
