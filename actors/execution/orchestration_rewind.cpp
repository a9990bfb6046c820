// SPDX-License-Identifier: Apache-2.0
#include "actors/execution/orchestration_engine.hpp"

#include <algorithm>
#include <set>

// The part of orchestration_engine that serves rewinds: it records the failures
// for which the code has failed, and resumes the code in the turn that repeats
// the void turns.

namespace perdura::actors {

using namespace persistence;

namespace {

/// Returns the sequence of the failed attempt if the exception is a
/// task_failed, or 0.
task_sequence failed_attempt(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const task_failed& failure) {
    return failure.sequence();
  } catch (...) {
    return 0;
  }
}

} // namespace

void orchestration_engine::note_unreadable(slot_id id) {
  if (std::holds_alternative<event_slot>(slots_[id].body))
    rewind_.unread.push_back({id, used_.turns, std::current_exception()});
}

/// Notes the exceptions of all members of the group that have failed, if there
/// are several.
void orchestration_engine::note_thrown_together(slot_id group) {
  std::vector<std::exception_ptr> all;
  for (const slot_id member : *slots_[group].members()) {
    if (!slots_[member].throws())
      continue;
    try {
      take_result(member);
    } catch (...) {
      all.push_back(std::current_exception());
    }
  }
  if (all.size() > 1)
    rewind_.thrown_together.push_back(std::move(all));
}

/// Returns the exception, and those of the groups with tasks for which the code
/// has received it or one that is nested in it. An exception that was copied is
/// found by the sequence of its task.
std::vector<std::exception_ptr>
orchestration_engine::thrown_with(const std::exception_ptr& thrown) const {
  std::vector<std::exception_ptr> found{thrown};
  std::set<const std::vector<std::exception_ptr>*> added;
  for (std::size_t i = 0; i < found.size(); ++i)
    for (const std::exception_ptr& level : nested_in(found[i])) {
      const task_sequence sequence = failed_attempt(level);
      for (const auto& all : rewind_.thrown_together)
        if ((all.front() == level
             || (sequence != 0 && failed_attempt(all.front()) == sequence))
            && added.insert(&all).second)
          found.insert(found.end(), all.begin() + 1, all.end());
    }
  return found;
}

failure_causes
orchestration_engine::causes_of(const std::exception_ptr& thrown) const {
  std::set<task_sequence> failed; // all that the execution had
  std::set<task_sequence> tasks(turn_.failures_received.begin(),
                                turn_.failures_received.end());
  tasks.insert(turn_.failures_missed.begin(), turn_.failures_missed.end());
  for (const orchestration_slot& one : slots_) {
    const call_slot* call = one.call();
    if (call == nullptr || !call->failed)
      continue;
    failed.insert(call->failed_as);
    if (!one.observed)
      tasks.insert(call->failed_as);
  }
  std::set<slot_id> waits;
  bool has_escaped = true;
  for (const std::exception_ptr& member : thrown_with(thrown)) {
    bool has_cause = false;
    for (const std::exception_ptr& level : nested_in(member)) {
      if (const task_sequence sequence = failed_attempt(level);
          failed.contains(sequence)) {
        tasks.insert(sequence);
        if (const auto group = rewind_.failed_together.find(sequence);
            group != rewind_.failed_together.end())
          tasks.insert(group->second.begin(), group->second.end());
        has_cause = true;
      }
      for (const unread_event& one : rewind_.unread)
        if (one.thrown == level) {
          waits.insert(one.wait);
          has_cause = true;
        }
    }
    has_escaped = has_escaped && has_cause;
  }
  if (!has_escaped)
    tasks.insert(failed.begin(), failed.end());
  for (const unread_event& one : rewind_.unread)
    if (one.turn == used_.turns || (!has_escaped && failed.empty()))
      waits.insert(one.wait);
  failure_causes causes;
  causes.known = true;
  causes.tasks.assign(tasks.begin(), tasks.end());
  for (const slot_id wait : waits) {
    const auto& event = std::get<event_slot>(slots_[wait].body);
    causes.events.push_back({event.name, event.number});
  }
  return causes;
}

void orchestration_engine::resume_rewound_turn(const rewound_turn& rewound) {
  turn_.rewound = true;
  next_.decision = std::max(next_.decision, rewound.next_sequence);
  rewind_.carried.add(rewound);
  rewind_.renewed_at = time_.elapsed;
  for (const task_sequence sequence : rewound.renewed) {
    const task_sequence first = first_sequence_of(sequence);
    const slot_id id = open_task(first);
    if (id == no_slot && rewound.rule == rewind_rule::last_turn)
      continue;
    rewind_.renewed.insert(first);
    if (id != no_slot)
      renew(id);
  }
}

/// Gives the retry policy of the slot's call a new budget of attempts and time,
/// if a rewind has repeated its open task.
void orchestration_engine::renew(slot_id id) {
  call_slot* renewed = slots_[id].call();
  if (renewed == nullptr || rewind_.renewed.erase(slots_[id].sequence) == 0
      || !renewed->retry)
    return;
  renewed->retry->attempt = 1;
  renewed->retry->first_at = rewind_.renewed_at;
}

void orchestration_engine::set_time(timestamp now, elapsed_time elapsed) {
  time_.now = now;
  time_.elapsed = elapsed;
}

/// Lists the timers that are open and those that are cancelled now: the
/// partition has ignored what the void turns have cancelled.
void orchestration_engine::list_timers(turn_outcome& outcome) const {
  const auto list_timer
    = [&](const orchestration_slot& one, const timer_times& times) {
        outcome.timers_open.push_back(
          {one.sequence, times.fire_at, times.due, times.absolute});
      };
  for (const orchestration_slot& one : slots_) {
    const auto* timer = std::get_if<timer_slot>(&one.body);
    if (timer && timer->cancelled && !timer->fired)
      outcome.timers_cancelled.push_back(one.sequence);
    if (timer && !one.done)
      list_timer(one, timer->times);
    const call_slot* call = one.call();
    if (call && !one.done && call->is_waiting_to_retry())
      list_timer(one, call->retry->pause);
  }
}

} // namespace perdura::actors
