// SPDX-License-Identifier: Apache-2.0
#include "actors/execution/orchestration_engine.hpp"
#include "persistence/process/process_counters.hpp"
#include "persistence/records/text.hpp"
#include <perdura/persistence/records/time_arithmetic.hpp>

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
  used_.add(event.body);
  if (auto* raised = std::get_if<event_raised>(&event.body)) {
    accept_event(std::move(*raised), event.time, sequence);
    return;
  }
  // A result is consumed even if no task is open for it any more.
  const std::uint64_t ordinal = next_.ordinal++;
  if (sequence != 0)
    turn_.consumed.push_back({ordinal, sequence});
  const task_sequence task = sequence_of(event.body);
  if (closed_) {
    const bool failed
      = std::holds_alternative<persistence::task_failed>(event.body)
        || std::holds_alternative<sub_orchestration_instance_failed>(
          event.body);
    if (failed && sequence != 0 && open_task(task) != no_slot)
      turn_.failures_missed.push_back(task);
    return;
  }
  if (const task_sequence first = first_sequence_of(task);
      rewind_.carried.contains(first))
    rewind_.carried.keep_result(first, std::move(event));
  else
    deliver_result(std::move(event));
}

/// Delivers the result of a task. Does nothing if no open task matches.
void orchestration_engine::deliver_result(history_event event) {
  if (auto* x = std::get_if<task_completed>(&event.body))
    complete_call(open_call<activity_slot>(x->sequence), std::move(x->result));
  else if (auto* f = std::get_if<persistence::task_failed>(&event.body))
    fail_call(open_call<activity_slot>(f->sequence), f->sequence,
              std::move(f->failure));
  else if (auto* t = std::get_if<timer_fired>(&event.body))
    fire_timer(t->sequence);
  else if (auto* c
           = std::get_if<sub_orchestration_instance_completed>(&event.body))
    complete_call(open_call<child_slot>(c->sequence), std::move(c->result));
  else if (auto* d
           = std::get_if<sub_orchestration_instance_failed>(&event.body))
    fail_call(open_call<child_slot>(d->sequence), d->sequence,
              std::move(d->failure));
}

/// Returns the slot to which the sequence was given, or no_slot.
slot_id orchestration_engine::slot_of(task_sequence sequence) const {
  return sequence < slots_by_sequence_.size() ? slots_by_sequence_[sequence]
                                              : no_slot;
}

/// Returns the sequence that the task had before rewinds gave it others. A task
/// that was rewound several times has a chain of sequences.
task_sequence
orchestration_engine::first_sequence_of(task_sequence sequence) const {
  for (auto it = reruns_.find(sequence); it != reruns_.end();
       it = reruns_.find(sequence))
    sequence = it->second;
  return sequence;
}

/// Returns the slot whose open task has this sequence. `sequence` may be the
/// one that a rewind gave to the task. Returns no_slot if no open task matches.
slot_id orchestration_engine::open_task(task_sequence sequence) const {
  sequence = first_sequence_of(sequence);
  const slot_id id = slot_of(sequence);
  return id != no_slot && !slots_[id].done && slots_[id].sequence == sequence
           ? id
           : no_slot;
}

/// Returns the slot of the open activity (`Call` is activity_slot) or
/// sub-orchestration (child_slot) with this sequence. Returns no_slot if there
/// is none, or if it waits for the timer before a retry.
template <class Call>
slot_id orchestration_engine::open_call(task_sequence sequence) const {
  const slot_id id = open_task(sequence);
  if (id == no_slot)
    return no_slot;
  const auto* call = std::get_if<Call>(&slots_[id].body);
  return call && !call->is_waiting_to_retry() ? id : no_slot;
}

/// Completes the call with a result. Ignored if `id` is no_slot.
void orchestration_engine::complete_call(slot_id id, std::string result) {
  if (id == no_slot)
    return;
  slots_[id].call()->result = std::move(result);
  complete_slot(id);
}

/// Handles the failure of an attempt: retries it or fails the slot. Ignored if
/// `id` is no_slot. `sequence` is the one in the history event.
void orchestration_engine::fail_call(slot_id id, task_sequence sequence,
                                     failure_details failure) {
  if (id == no_slot)
    return;
  call_slot& open = *slots_[id].call();
  open.failed_as = sequence;
  if (open.retry && retry(id, failure))
    return;
  open.failed = true;
  open.failure_type = std::move(failure.type);
  open.result = std::move(failure.message);
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
    message = text_of(failure);
  } catch (...) { // keeps the text above
  }
  if (log_)
    log_(identity_.instance, persistence::log_level::error,
         "The retry predicate for \"" + called + "\" has thrown an exception: "
           + message + ". The call is not retried.");
}

/// True if the history has no place for another attempt of the call, besides
/// the results of all open calls and the part that is reserved for the code.
/// The size is that of the turns that this run has seen, so a replay decides
/// the same.
bool orchestration_engine::is_history_nearly_full(
  const call_retry& again) const {
  return used_.events + events_of_open_call * used_.open_calls
             + events_of_pause * used_.paused_calls + events_of_retry
             + retry_events_reserved
           > history_events_max
         || used_.bytes + again.input.size() + retry_bytes_reserved
              > history_bytes_max;
}

/// Applies the retry policy to a failed attempt. If the history is too full for
/// another one, changes `failure` to that. Returns true if another
/// attempt follows; the timer that precedes that attempt has then been
/// requested.
bool orchestration_engine::retry(slot_id id, failure_details& failure) {
  const call_slot& failed = *slots_[id].call();
  call_retry& again = *failed.retry;
  const retry_options& policy = again.options.retry;
  if (again.attempt >= static_cast<std::uint32_t>(policy.attempts_max))
    return false;
  const duration pause = interval_after(policy, again.attempt);
  if (policy.time_out > duration::zero()
      && saturated_sum(time_.elapsed, pause)
           > saturated_sum(again.first_at, policy.time_out))
    return false;
  if (policy.handle) {
    try {
      if (!policy.handle(task_failed(
            std::holds_alternative<child_slot>(slots_[id].body)
              ? task_failed::callee::sub_orchestration
              : task_failed::callee::activity,
            failed.name, failure.type, failure.message, failed.failed_as)))
        return false;
    } catch (...) {
      note_failed_predicate(failed.name);
      return false; // a predicate that throws counts as "do not retry"
    }
  }
  if (is_history_nearly_full(again)) {
    failure = {"limit_exceeded",
               "the call was not retried after attempt "
                 + std::to_string(again.attempt)
                 + ", because the history is nearly full (history_events_max, "
                   "history_bytes_max); use continue_as_new to begin a new "
                   "one. The attempt failed: "
                 + failure.message};
    return false;
  }
  // The policy has handled the failure.
  turn_.failures_received.push_back(failed.failed_as);
  again.waiting_to_retry = true;
  ++used_.paused_calls;
  const timestamp fire_at = later(time_.now, pause);
  again.pause = {fire_at, time_.elapsed + (fire_at - time_.now), false};
  decide(id, timer_created{0, fire_at, false});
  return true;
}

/// Requests the next attempt, after the pause that the retry policy sets.
void orchestration_engine::start_next_attempt(slot_id id) {
  call_retry& again = *slots_[id].call()->retry;
  again.waiting_to_retry = false;
  --used_.paused_calls;
  ++again.attempt;
  if (std::holds_alternative<activity_slot>(slots_[id].body))
    schedule_activity(id, again.input, again.options, again.attempt);
  else
    create_child(id, again.input, again.version, again.instance);
}

void orchestration_engine::fire_timer(task_sequence sequence) {
  const slot_id id = slot_of(sequence);
  if (id == no_slot || slots_[id].sequence != sequence)
    return;
  orchestration_slot& due = slots_[id];
  // A call has a timer only between two attempts.
  if (const call_slot* call = due.call()) {
    if (!due.done && call->is_waiting_to_retry())
      start_next_attempt(id);
    return;
  }
  auto& timer = std::get<timer_slot>(due.body);
  timer.fired = true;
  if (due.done)
    return;
  complete_slot(id);
  if (timer.wait == no_slot)
    return;
  // The timer belongs to a wait with a time-out, which has received no event.
  std::get<event_slot>(slots_[timer.wait].body).timed_out = true;
  close_wait(timer.wait);
  complete_slot(timer.wait);
}

/// Binds the event to the oldest open wait for its name, or buffers it.
void orchestration_engine::accept_event(event_raised raised, timestamp time,
                                        inbox_sequence sequence) {
  event_queue& queue = events_[event_key(raised.name)];
  buffered_event event{next_.ordinal++, sequence, time, std::move(raised)};
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
  auto& wait = std::get<event_slot>(slots_[id].body);
  if (event.sequence != 0)
    turn_.consumed.push_back({event.ordinal, event.sequence});
  wait.ordinal = event.ordinal;
  wait.number = ++events_[event_key(wait.name)].bound;
  wait.time = event.time;
  wait.name = std::move(event.raised.name);
  wait.result = std::move(event.raised.input);
  close_wait(id);
  if (wait.timer != no_slot)
    cancel_timer(wait.timer);
  complete_slot(id);
}

/// Adds the wait to the closed waits of the turn, unless this turn has opened
/// it: the partition does not know such a wait yet.
void orchestration_engine::close_wait(slot_id id) {
  if (std::get<event_slot>(slots_[id].body).turn != used_.turns)
    turn_.waits_closed.push_back(slots_[id].sequence);
}

/// Cancels a timer that has not fired. The partition closes its task.
void orchestration_engine::cancel_timer(slot_id id) {
  orchestration_slot& timer = slots_[id];
  if (timer.done)
    return;
  std::get<timer_slot>(timer.body).cancelled = true;
  turn_.timers_cancelled.push_back(timer.sequence);
  complete_slot(id);
}

// Cancels a timer or an event wait. Activities, sub-orchestrations and groups
// cannot be cancelled: for these the call has no effect.
void orchestration_engine::cancel(slot_id id) {
  orchestration_slot& unwanted = slots_[id];
  if (unwanted.done)
    return;
  if (std::holds_alternative<timer_slot>(unwanted.body)) {
    cancel_timer(id);
  } else if (auto* wait = std::get_if<event_slot>(&unwanted.body)) {
    wait->cancelled = true;
    close_wait(id);
    if (wait->timer != no_slot)
      cancel_timer(wait->timer);
    complete_slot(id);
  }
}

/// Marks the slot as done and completes the groups that wait for it. The
/// coroutines that wait for it are ready, and are resumed after the message.
void orchestration_engine::complete_slot(slot_id id) {
  slots_[id].done = true;
  if (slots_[id].waiters != nullptr)
    wake_waiters(id);
  if (slots_[id].call() != nullptr)
    --used_.open_calls;
  const std::vector<slot_membership> groups = std::move(slots_[id].groups);
  slots_[id].groups.clear();
  for (const slot_membership& in : groups) {
    orchestration_slot& group = slots_[in.group];
    if (group.done)
      continue;
    if (auto* all = std::get_if<all_slot>(&group.body)) {
      if (--all->open == 0)
        complete_slot(in.group);
      continue;
    }
    // The first member completes the group.
    auto& any = std::get<any_slot>(group.body);
    any.winner = in.index;
    for (slot_id member : any.members)
      remove_from_group(member, in.group);
    complete_slot(in.group);
  }
}

/// Deletes the entry of a completed group from the list `groups` of one of its
/// members. Without this, a slot that is awaited in many when_any calls would
/// keep an entry for each of these calls. The newest entry is last.
void orchestration_engine::remove_from_group(slot_id member, slot_id group) {
  std::vector<slot_membership>& groups = slots_[member].groups;
  auto it = std::find_if(
    groups.rbegin(), groups.rend(),
    [&](const slot_membership& in) { return in.group == group; });
  if (it != groups.rend())
    groups.erase(std::next(it).base());
}

} // namespace perdura::actors
