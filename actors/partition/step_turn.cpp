// SPDX-License-Identifier: Apache-2.0
#include "actors/authoring/json_text_check.hpp"
#include "actors/partition/steps.hpp"

#include <algorithm>

namespace perdura::actors {

using namespace persistence;

namespace {

/// Returns the output of a failed instance.
/// @source The wording of Durable Functions.
std::string failure_sentence(const std::string& name,
                             const failure_details& failure) {
  return "Orchestrator function '" + name + "' failed: " + failure.message;
}

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
                    errc code = errc::ok, const std::string& why = {}) {
  management_answer answer;
  answer.code = code;
  answer.message = why;
  answer.id = t.id;
  record_answer(t.out, message.request, answer);
  add_answers(t.out, message.replies, answer);
  if (message.source)
    t.out.sources.push_back(*message.source);
}

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

/// Closes all waits: a turn that repeats void turns opens those that are open
/// now, which may have the sequences of others.
void close_waits(turn_in_progress& t) {
  if (t.starting)
    return;
  const auto& tasks = t.loaded.durable->tasks;
  for (auto at = tasks.lower_bound(wait_sequence_first); at != tasks.end();
       ++at)
    if (at->second.kind == task_kind::event_wait)
      t.draft.close(at->first);
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

/// Removes task results from the inbox: no later execution can use them.
void drop_undelivered_results(turn_in_progress& t) {
  drop_results(t.draft);
  for (const arrived_message& message : t.loaded.live->arrived)
    if (const auto task = task_of(message.event.body))
      t.draft.close(*task);
}

/// Appends the last event of the turn.
void finish_turn(turn_in_progress& t) {
  t.draft.append(
    t.now, orchestrator_completed{std::move(t.outcome.failures_received)});
}

/// Releases the coroutine of an execution that has ended.
void discard_coroutine(turn_in_progress& t) {
  t.loaded.live->warm = false;
  t.loaded.live->delivered = 0;
  t.loaded.live->first_history.clear();
  t.live.runs_to_drop.push_back(t.id);
}

/// Handles the messages that arrived before the end of the instance and that
/// the code did not consume: events are refused, results are moved to the inbox
/// if `keep_results`, and dropped otherwise.
void refuse_undelivered(turn_in_progress& t, bool keep_results) {
  if (t.loaded.live->arrived.empty())
    return;
  const std::string why = "Instance \"" + t.id + "\" is "
                          + to_string(t.draft.record().status)
                          + "; it accepts no further requests.";
  for (arrived_message& message : t.loaded.live->arrived) {
    if (!task_of(message.event.body)) {
      answer_message(t, message, errc::already_finished, why);
      continue;
    }
    if (message.source)
      t.out.sources.push_back(*message.source);
    if (keep_results)
      t.draft.put_inbox(message.sequence, std::move(message.event));
    else
      ++t.live.counters.results_stale;
  }
  t.loaded.live->arrived.clear();
}

/// Completes the instance. Its activities stay open until they have run; their
/// results are dropped.
void complete(turn_in_progress& t, completed_result& result) {
  drop_undelivered_results(t);
  add_cancellation(t.out, t.draft, t.id, t.draft.record().execution);
  t.draft.close_all_but_activities();
  instance_record& record = t.draft.record();
  add_child_ended(t.durable, t.out, record, false, result.result, {});
  record.output_event = t.draft.append(
    t.now, execution_completed{
             completion_status::completed, std::move(result.result), {}, {}});
  t.set_status(runtime_status::completed);
  record.ended_at = t.now;
  finish_turn(t);
  refuse_undelivered(t, false);
  discard_coroutine(t);
  ++t.live.counters.completed;
}

/// Fails the instance. Its tasks stay open, because a rewind can use the
/// results of activities that are still running.
void fail(turn_in_progress& t, const failure_details& failure) {
  instance_record& record = t.draft.record();
  const std::string sentence = failure_sentence(record.name, failure);
  record.output_event = t.draft.append(
    t.now, execution_completed{completion_status::failed, json_string(sentence),
                               failure, std::move(t.outcome.causes)});
  t.set_status(runtime_status::failed);
  record.ended_at = t.now;
  add_child_ended(t.durable, t.out, record, true, "", {failure.type, sentence});
  finish_turn(t);
  refuse_undelivered(t, true);
  discard_coroutine(t);
  ++t.live.counters.failed;
  t.out.effects.push_back(
    log_effect{log_level::warning, "instance \"" + t.id + "\": " + sentence});
}

/// Passes the unprocessed events to the next execution, or drops them if
/// `keep_events` is false. The events of one name stay in order. Events that
/// arrived while the turn was running stay in `arrived` and wait for the next
/// turn. Results of the old execution are dropped.
void carry_unprocessed_events(turn_in_progress& t, continued_result& result) {
  auto& arrived = t.loaded.live->arrived;
  // Events that the old execution had removed from the inbox must precede those
  // that are still in it. All of them then get new numbers in this order.
  std::vector<history_event> left = std::move(result.carried);
  const bool renumber = !left.empty();
  for (auto& [sequence, event] : t.draft.inbox()) {
    const auto task = task_of(event.body);
    const bool result_of_old = task.has_value();
    if (task)
      t.draft.close(*task);
    if (renumber || result_of_old || !result.keep_events)
      t.draft.remove_from_inbox(sequence);
    if (renumber && !result_of_old && result.keep_events)
      left.push_back(std::move(event));
  }
  std::vector<arrived_message> later;
  for (arrived_message& message : arrived) {
    if (const auto task = task_of(message.event.body)) {
      t.draft.close(*task);
      if (message.source)
        t.out.sources.push_back(*message.source);
      ++t.live.counters.results_stale;
    } else if (!message.in_turn) {
      later.push_back(std::move(message));
    } else {
      answer_message(t, message);
      if (!result.keep_events)
        ++t.live.counters.events_discarded;
      else if (renumber)
        left.push_back(std::move(message.event));
      else
        t.draft.put_inbox(message.sequence, std::move(message.event));
    }
  }
  if (renumber) {
    for (history_event& event : left)
      t.draft.put_inbox(t.loaded.live->next_inbox++, std::move(event));
    for (arrived_message& message : later)
      message.sequence = t.loaded.live->next_inbox++;
  }
  arrived = std::move(later);
}

/// The open activities of the execution that ends and of earlier ones, as tasks
/// of the next execution: each scheduled activity runs at least once.
std::vector<std::pair<task_sequence, open_task>>
left_activities(const turn_in_progress& t) {
  std::vector<std::pair<task_sequence, open_task>> left;
  task_sequence next = left_sequence_first;
  t.draft.each_activity([&](task_sequence sequence, const open_task& task) {
    if (task.left)
      next = std::max(next, sequence + 1);
  });
  t.draft.each_activity([&](task_sequence sequence, const open_task& task) {
    if (task.left) {
      left.emplace_back(sequence, task);
      return;
    }
    const task_scheduled* scheduled = nullptr;
    if (const history_event* event = t.draft.appended(task.scheduled_event))
      scheduled = std::get_if<task_scheduled>(&event->body);
    else if (const auto found = t.inputs.find(sequence);
             found != t.inputs.end())
      scheduled = &found->second;
    if (scheduled == nullptr)
      return; // it has a result
    open_task kept = task;
    kept.scheduled_event = 0;
    kept.left = left_activity{t.outcome.execution, sequence, scheduled->input,
                              scheduled->time_out, scheduled->start_time_out};
    left.emplace_back(next++, std::move(kept));
  });
  return left;
}

/// The version of the execution after a continue-as-new. If this program lacks
/// the orchestrator, it stays the same, and the instance is held.
std::string version_after(const turn_in_progress& t, const std::string& name,
                          const std::string& version, bool is_kept) {
  if (is_kept)
    return version;
  auto newest = t.durable.config.resolve(name, "");
  return newest ? std::move(*newest) : version;
}

/// Begins the next execution of an instance that continues as new. Its first
/// turn is due at once.
void begin_next_execution(turn_in_progress& t, continued_result& result) {
  carry_unprocessed_events(t, result);
  instance_record& record = t.draft.record();
  add_cancellation(t.out, t.draft, t.id, record.execution);
  execution_started started;
  started.name = record.name;
  started.version
    = version_after(t, record.name, record.version, result.keep_version);
  started.input = std::move(result.input);
  started.generation = record.generation + 1;
  started.execution = next_execution(record.execution, started.generation);
  started.parent = record.parent;
  history_event first{t.now, std::move(started)};
  t.draft.begin_execution(first, left_activities(t));
  t.draft.record().status = t.suspended ? runtime_status::suspended
                                        : runtime_status::continued_as_new;
  if (t.suspended)
    t.draft.record().status_resumed = runtime_status::continued_as_new;
  discard_coroutine(t);
  t.loaded.live->first_history = {std::move(first)};
  make_runnable(t.live, *t.loaded.live);
  ++t.live.counters.continued;
}

/// Handles the messages of an instance that goes on waiting: a message that
/// the next turn cannot consume enters the inbox with this turn, any other
/// message waits for the next turn.
void continue_waiting(turn_in_progress& t) {
  const bool discards = t.durable.config.discards_events(t.draft.record().name);
  std::vector<arrived_message> later;
  for (arrived_message& message : t.loaded.live->arrived) {
    const auto* raised = std::get_if<event_raised>(&message.event.body);
    const bool awaited
      = raised == nullptr || t.draft.awaits_event(raised->name);
    if (!message.in_turn && awaited && !t.suspended) {
      later.push_back(std::move(message));
      continue;
    }
    answer_message(t, message);
    if (!awaited && discards)
      ++t.live.counters.events_discarded;
    else
      t.draft.put_inbox(message.sequence, std::move(message.event));
  }
  t.loaded.live->arrived = std::move(later);
  make_runnable(t.live, *t.loaded.live);
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
  if (outcome.rewound && !failed)
    close_waits(t);
  const bool lacks_activity = asks_for_missing_activity(t);
  apply_decisions(t);
  // A rewind may run a failed turn again with other decisions. Therefore a
  // failed turn opens no waits, cancels no timers and abandons no tasks.
  if (!failed) {
    for (const task_sequence sequence : outcome.orphans)
      t.draft.close(sequence);
    if (outcome.rewound)
      reopen_timers(t);
    for (const task_sequence sequence : outcome.timers_cancelled)
      t.draft.close(sequence);
    for (wait_opened& wait : outcome.waits_opened)
      t.draft.open(wait.sequence,
                   {task_kind::event_wait, std::move(wait.name), {}, {}, 0, 1});
  }
  if (outcome.custom_status)
    t.draft.set_custom_status(std::move(*outcome.custom_status));
  t.draft.record().next_sequence = outcome.next_sequence;

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
