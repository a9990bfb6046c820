// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/turn_in_progress.hpp"

#include "actors/authoring/json_text_check.hpp"

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

/// Removes task results from the inbox: no later execution can use them.
void drop_undelivered_results(turn_in_progress& t) {
  drop_results(t.draft);
  for (const arrived_message& message : t.loaded.live->arrived)
    if (const auto task = task_of(message.event.body))
      t.draft.close(*task);
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
  keep_unraised(t.live, t.loaded.live->arrived);
  if (t.loaded.live->arrived.empty())
    return;
  const std::string why = "Instance \"" + t.id + "\" is "
                          + to_string(t.draft.record().status)
                          + "; it accepts no further requests.";
  for (arrived_message& message : t.loaded.live->arrived) {
    if (!task_of(message.event.body)) {
      if (message.starts)
        answer_message(t, message);
      else
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

} // namespace

void answer_message(turn_in_progress& t, arrived_message& message, errc code,
                    const std::string& why) {
  management_answer answer = answer_to(message, t.id, t.draft.record(), true);
  answer.code = code;
  answer.message = why;
  record_answer(t.out, message.request, answer);
  add_answers(t.out, message.replies, answer);
  if (message.source)
    t.out.sources.push_back(*message.source);
}

void finish_turn(turn_in_progress& t) {
  t.draft.append(
    t.now, orchestrator_completed{std::move(t.outcome.failures_received)});
}

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

} // namespace perdura::actors
