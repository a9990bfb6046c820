// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/steps.hpp"
#include "actors/partition/turn_in_progress.hpp"

#include <algorithm>

namespace perdura::actors {

using namespace persistence;

namespace {

/// This turn makes a start durable. Answers all requests that wait for the
/// start.
void answer_start(turn_in_progress& t) {
  add_start_answers(t.out, t.draft, t.id, *t.loaded.live->starting, true);
  t.loaded.live->starting.reset();
}

/// Appends the messages that the code consumed to the history, in order of
/// delivery, and closes their tasks.
void append_messages(turn_in_progress& t) {
  auto& arrived = t.loaded.live->arrived;
  for (const inbox_sequence sequence : t.outcome.consumed) {
    history_event event;
    auto it = std::find_if(arrived.begin(), arrived.end(),
                           [&](const arrived_message& message) {
                             return message.sequence == sequence;
                           });
    if (it != arrived.end()) {
      answer_message(t, *it);
      event = std::move(it->event);
      it->sequence = 0; // marks it for removal below, in one pass
    } else {
      if (t.starting)
        continue;
      auto row = t.loaded.durable->inbox.find(sequence);
      if (row == t.loaded.durable->inbox.end())
        continue;
      event = row->second.event;
      t.draft.remove_from_inbox(sequence);
    }
    if (auto task = task_of(event.body))
      t.draft.close(*task);
    t.draft.append(event.time, std::move(event.body));
  }
  std::erase_if(arrived, [](const arrived_message& message) {
    return message.sequence == 0;
  });
}

/// Appends a decision to the history, opens its task and adds its effect.
void apply_decision(turn_in_progress& t, task_scheduled& x) {
  activity_work_item item;
  item.partition = t.durable.config.id;
  item.instance = t.id;
  item.execution = t.draft.record().execution;
  item.sequence = x.sequence;
  item.name = x.name;
  item.input = x.input;
  item.attempt = x.attempt;
  item.time_out = x.time_out;
  item.start_time_out = x.start_time_out;
  open_task task{task_kind::activity, x.name, {}, {}, 0, x.attempt};
  const task_sequence sequence = x.sequence;
  task.scheduled_event = t.draft.append(t.now, std::move(x));
  item.scheduled_event = task.scheduled_event;
  t.draft.open(sequence, std::move(task));
  t.out.effects.push_back(activity_effect{std::move(item)});
  ++t.live.counters.activities;
}

// A timer has no effect: the processor adds it to the timers in memory; see
// follow_timers. A delay counts from the time of the turn.
void apply_decision(turn_in_progress& t, timer_created& x) {
  open_task task{task_kind::timer, {}, x.fire_at, {}, 0, 1};
  task.absolute = x.absolute;
  if (!x.absolute)
    task.due
      = t.loaded.live->turn_elapsed + (x.fire_at - t.loaded.live->turn_now);
  const task_sequence sequence = x.sequence;
  task.scheduled_event = t.draft.append(t.now, std::move(x));
  t.draft.open(sequence, std::move(task));
}

void apply_decision(turn_in_progress& t,
                    sub_orchestration_instance_created& x) {
  instance_record& record = t.draft.record();
  record.children = child_starts::some;
  add_outbox(t.durable, t.out, x.instance,
             child_start{x.name, x.version, x.input,
                         parent_link{t.id, record.execution, x.sequence},
                         place_of_child(t.id, record)});
  open_task task{task_kind::sub_orchestration, x.name, {}, x.instance, 0, 1};
  const task_sequence sequence = x.sequence;
  task.scheduled_event = t.draft.append(t.now, std::move(x));
  t.draft.open(sequence, std::move(task));
}

// A sent event opens no task, because the code does not wait for its receipt.
void apply_decision(turn_in_progress& t, event_sent& x) {
  add_outbox(t.durable, t.out, x.instance, event_send{x.name, x.input});
  t.draft.append(t.now, std::move(x));
}

/// True if a decision is an activity that this program does not have.
bool asks_for_missing_activity(const turn_in_progress& t) {
  const auto& has = t.durable.config.has_activity;
  return has
         && std::any_of(t.outcome.decisions.begin(), t.outcome.decisions.end(),
                        [&](const decision& one) {
                          const auto* asked = std::get_if<task_scheduled>(&one);
                          return asked != nullptr && !has(asked->name);
                        });
}

/// Applies the decisions in the order in which the code made them.
void apply_decisions(turn_in_progress& t) {
  for (decision& one : t.outcome.decisions)
    std::visit(
      [&](auto& x) {
        if constexpr (requires { apply_decision(t, x); })
          apply_decision(t, x);
      },
      one);
}

/// Makes the stored waits those that the code has now: newer code may wait for
/// other events, and a turn that repeats void turns may have opened other
/// waits.
void replace_waits(turn_in_progress& t, std::vector<wait_opened>& open) {
  const auto opened = [&](task_sequence sequence) {
    return std::find_if(open.begin(), open.end(), [&](const wait_opened& one) {
      return one.sequence == sequence;
    });
  };
  if (!t.starting) {
    const auto& tasks = t.loaded.durable->tasks;
    for (auto at = tasks.lower_bound(wait_sequence_first); at != tasks.end();
         ++at) {
      if (at->second.kind != task_kind::event_wait
          || !t.draft.is_open(at->first))
        continue;
      const auto now = opened(at->first);
      if (now == open.end() || now->name != at->second.name)
        t.draft.close(at->first);
      else
        open.erase(now);
    }
  }
  for (wait_opened& one : open)
    t.draft.open(one.sequence,
                 {task_kind::event_wait, std::move(one.name), {}, {}, 0, 1});
}

/// Opens the timers that a void turn has cancelled and that the code waits for
/// again.
void reopen_timers(turn_in_progress& t) {
  for (const timer_opened& one : t.outcome.timers_open) {
    if (t.draft.is_open(one.sequence))
      continue;
    open_task task{task_kind::timer, {}, one.fire_at, {}, 0, 1};
    task.absolute = one.absolute;
    if (!one.absolute)
      task.due = one.due;
    t.draft.open(one.sequence, std::move(task));
  }
}

/// The number of open activities when the decisions of the turn are applied.
std::size_t open_activities_after(const turn_in_progress& t) {
  auto count = static_cast<std::size_t>(
    std::count_if(t.outcome.decisions.begin(), t.outcome.decisions.end(),
                  [](const decision& one) {
                    return std::holds_alternative<task_scheduled>(one);
                  }));
  t.draft.each_activity([&](task_sequence, const open_task&) { ++count; });
  return count;
}

/// Enforces the limits of the history: if the turn would exceed a limit, the
/// instance fails and the decisions of the turn are dropped.
void check_limits(turn_in_progress& t) {
  const instance_record& record = t.draft.record();
  std::uint64_t bytes = record.history_bytes;
  for (const decision& one : t.outcome.decisions)
    bytes += payload_bytes_of(one);
  // The turn also appends orchestrator_completed and the end of the execution.
  const std::size_t events
    = record.history_count + t.outcome.decisions.size() + 2;
  if (std::holds_alternative<continued_result>(t.outcome.result)
      && open_activities_after(t) > left_activities_max) {
    t.outcome.decisions.clear();
    t.outcome.result = failed_result{
      {"limit_exceeded",
       "left_activities_max: the executions of \"" + t.id
         + "\" would leave more than " + std::to_string(left_activities_max)
         + " activities behind that have not ended; await them before "
           "continue_as_new"}};
    return;
  }
  if (std::holds_alternative<continued_result>(t.outcome.result)
      || (events <= history_events_max && bytes <= history_bytes_max))
    return;
  // The opened waits and cancelled timers need no clearing: those of a failed
  // turn are ignored.
  t.outcome.decisions.clear();
  if (!t.outcome.causes.known)
    t.outcome.causes = {true, t.outcome.failures_received, {}};
  t.outcome.result = failed_result{
    {"limit_exceeded",
     events > history_events_max
       ? "the history would exceed 50,000 events (history_events_max); use "
         "continue_as_new to begin a new one"
       : "the history would exceed 64 MiB (history_bytes_max); use "
         "continue_as_new to begin a new one"}};
}

/// Holds the instance: the outcome of the turn is ignored, and the messages
/// that waited for the turn enter the inbox. The turn runs again in a process
/// whose code matches the history.
turn hold_instance(volatile_partition& live, const instance_id& id,
                   loaded_instance loaded, const held_result& held,
                   timestamp now) {
  turn out = step_persist_pending(live, id, loaded, now);
  instance_record& record = *out.writes.instances.front().record;
  record.turn_due = true;
  record.held = held.reason.message;
  loaded.live->warm = false;
  loaded.live->delivered = 0;
  loaded.live->held_in_process = true;
  live.runs_to_drop.push_back(id);
  out.effects.push_back(
    log_effect{log_level::error,
               "instance \"" + id + "\" is held: " + held.reason.message});
  return out;
}

} // namespace

turn step_turn_completed(const durable_partition& durable,
                         volatile_partition& live, turn_outcome&& outcome,
                         timestamp now, const scheduled_activities& inputs) {
  const loaded_instance loaded = find(durable, live, outcome.instance);
  if (!loaded || !loaded.live->turn_out
      || loaded.live->number != outcome.number)
    return {}; // the outcome is void: the instance was terminated, replaced or
               // purged while the turn was running
  loaded.live->turn_out = false;
  ++live.counters.orchestration_turns;
  const instance_id& id = outcome.instance;
  if (auto* held = std::get_if<held_result>(&outcome.result)) {
    if (!durable.config.nondeterminism_fails
        || held->reason.code != errc::nondeterministic)
      return hold_instance(live, id, loaded, *held, now);
    outcome.causes.known = true;
    outcome.result = failed_result{{"nondeterministic", held->reason.message}};
  }

  if (!live.full_outboxes.empty())
    if (auto waits = step_wait_for_outbox(durable, live, loaded, outcome, now))
      return std::move(*waits);

  turn_in_progress t{durable,
                     live,
                     id,
                     loaded,
                     outcome,
                     std::max(now, loaded.live->turn_now),
                     loaded.live->starting
                       ? instance_draft(id, *loaded.live->starting)
                       : instance_draft(id, *loaded.durable),
                     {},
                     inputs,
                     loaded.live->starting.has_value()};
  t.suspended = t.draft.record().status == runtime_status::suspended;
  t.draft.append(
    loaded.live->turn_now,
    orchestrator_started{loaded.live->turn_now.time_since_epoch()
                         - loaded.live->turn_elapsed.time_since_epoch()});
  if (loaded.live->starting)
    answer_start(t);
  else
    t.draft.close(start_sequence);
  loaded.live->start_due = false;
  append_messages(t);
  check_limits(t);

  // `check_limits` may have replaced the result by a failure.
  const bool failed = std::holds_alternative<failed_result>(outcome.result);
  for (const task_sequence sequence : outcome.waits_closed)
    t.draft.close(sequence);
  const bool lacks_activity = asks_for_missing_activity(t);
  apply_decisions(t);
  // A rewind may run a failed turn again with other decisions. Therefore a
  // failed turn opens no waits, cancels no timers and abandons no tasks.
  if (!failed) {
    for (const task_sequence sequence : outcome.orphans)
      t.draft.close(sequence);
    reopen_timers(t);
    for (const task_sequence sequence : outcome.timers_cancelled)
      t.draft.close(sequence);
    if (outcome.waits_open)
      replace_waits(t, *outcome.waits_open);
    else
      for (wait_opened& wait : outcome.waits_opened)
        t.draft.open(
          wait.sequence,
          {task_kind::event_wait, std::move(wait.name), {}, {}, 0, 1});
  }
  if (outcome.custom_status)
    t.draft.set_custom_status(std::move(*outcome.custom_status));
  t.draft.record().next_sequence = outcome.next_sequence;
  t.draft.record().code_epoch = durable.meta.epoch;

  if (auto* x = std::get_if<completed_result>(&outcome.result)) {
    complete(t, *x);
  } else if (auto* y = std::get_if<failed_result>(&outcome.result)) {
    fail(t, y->failure);
  } else if (auto* z = std::get_if<continued_result>(&outcome.result)) {
    begin_next_execution(t, *z);
  } else {
    t.set_status(runtime_status::running);
    finish_turn(t);
    continue_waiting(t);
  }
  instance_record& record = t.draft.record();
  record.next_inbox = std::max(record.next_inbox, loaded.live->next_inbox);
  // The turn has run, so the instance is not held any more, unless one of its
  // activities has been held meanwhile.
  if (is_finished(record.status))
    record.held.clear();
  else if (!loaded.live->held_in_process
           && (lacks_activity || !record.held.empty()))
    record.held = missing_activity_text(durable, t.draft);
  record.turn_due
    = std::holds_alternative<continued_result>(outcome.result)
      || (!is_finished(record.status) && t.draft.has_deliverable());
  // The first turn answers the clients that wait for the start. The last turn
  // answers all waiting clients.
  add_wait_answers(live, t.out, id, is_finished(record.status));
  t.out.writes.instances.push_back(std::move(t.draft).finish(t.now));
  return std::move(t.out);
}

} // namespace perdura::actors
