// SPDX-License-Identifier: Apache-2.0
#include "actors/authoring/json_text_check.hpp"
#include "actors/partition/steps.hpp"

#include <algorithm>
#include <iterator>

namespace perdura::actors {

using namespace persistence;

namespace {

// A resume with a reason of at most this many bytes is never refused.
constexpr std::size_t short_reason_bytes = 1'024;

/// Discards the coroutine. The turn number changes, so that a turn that is
/// still running is void when its outcome arrives.
void discard_run(volatile_partition& live, const instance_id& id,
                 loaded_instance loaded) {
  ++loaded.live->number;
  loaded.live->turn_out = false;
  loaded.live->warm = false;
  loaded.live->delivered = 0;
  loaded.live->first_history.clear();
  live.runs_to_drop.push_back(id);
}

/// True if the activities of the instance must not run any more when it is
/// terminated: it is held because its code has ended the process, or nothing
/// runs in this process, so that such code can be ended.
bool drops_activities(const durable_partition& durable,
                      const loaded_instance& loaded,
                      const instance_draft& draft) {
  const std::string& held = loaded.durable->record.held;
  return durable.config.paused || loaded.live->held_in_process
         || (!held.empty() && held != missing_activity_text(durable, draft));
}

/// Closes the activities, which never run.
void close_activities(instance_draft& draft) {
  std::vector<task_sequence> open;
  draft.each_activity([&](task_sequence sequence, const open_task&) {
    open.push_back(sequence);
  });
  for (const task_sequence sequence : open)
    draft.close(sequence);
}

/// Terminates the instance, which must be durable and unfinished.
turn terminate(const durable_partition& durable, volatile_partition& live,
               const instance_id& id, loaded_instance loaded,
               const std::string& reason, bool recursive, timestamp now) {
  turn out;
  instance_draft draft(id, *loaded.durable);
  const std::string output = json_string(reason);
  // Children are terminated through the outbox; activities run to their end
  // and their results are dropped.
  if (recursive)
    for (const auto& [sequence, task] : loaded.durable->tasks)
      if (task.kind == task_kind::sub_orchestration)
        add_outbox(durable, out, task.child,
                   child_terminate{
                     reason, {id, loaded.durable->record.execution, sequence}});
  // No later turn can use task results. Events stay: they show in the status.
  drop_results(draft);
  const bool drops = drops_activities(durable, loaded, draft);
  add_cancellation(out, draft, id, draft.record().execution, drops);
  if (drops)
    close_activities(draft);
  draft.close_all_but_activities();
  instance_record& record = draft.record();
  record.output_event = draft.append(now, execution_terminated{output});
  record.status = runtime_status::terminated;
  record.ended_at = std::max(now, record.last_updated_at);
  record.turn_due = false;
  record.held.clear();
  add_child_ended(durable, out, record, true, "",
                  {"terminated", "\"" + id + "\" was terminated: " + reason});
  out.writes.instances.push_back(std::move(draft).finish(now));
  add_wait_answers(live, out, id, true);
  out.effects.push_back(log_effect{
    log_level::info, "instance \"" + id + "\" is terminated: " + reason});
  discard_run(live, id, loaded);
  ++live.counters.terminated;
  return out;
}

/// Adds the answer of a successful control operation.
void answer_done(turn& out, const instance_id& id, reply_to from) {
  management_answer answer;
  answer.id = id;
  add_answers(out, {from}, answer);
}

/// Returns the answer of a control operation that must not run, because the
/// instance does not exist or is finished. Empty means that the operation may
/// run.
std::optional<turn> refuse_control(const durable_partition& durable,
                                   volatile_partition& live,
                                   const instance_id& id, reply_to from) {
  const loaded_instance loaded = find(durable, live, id);
  if (!loaded || !loaded.durable)
    return refuse_not_found(from, id);
  if (is_finished(loaded.durable->record.status))
    return refuse_finished(from, id, loaded.durable->record);
  return std::nullopt;
}

} // namespace

turn step_persist_pending(volatile_partition& live, const instance_id& id,
                          loaded_instance loaded, timestamp now) {
  turn out;
  const bool starts = loaded.live->starting.has_value();
  instance_draft draft = starts ? instance_draft(id, *loaded.live->starting)
                                : instance_draft(id, *loaded.durable);
  if (starts) {
    add_start_answers(out, draft, id, *loaded.live->starting, false);
    loaded.live->first_history = {loaded.live->starting->started};
  }
  const bool has_run
    = !starts && draft.record().status != runtime_status::pending;
  for (arrived_message& message : loaded.live->arrived) {
    const management_answer answer
      = answer_to(message, id, draft.record(), has_run);
    record_answer(out, message.request, answer);
    add_answers(out, message.replies, answer);
    if (message.source)
      out.sources.push_back(*message.source);
    draft.put_inbox(message.sequence, std::move(message.event));
  }
  // This turn makes the messages durable, but a later turn consumes them.
  // `turn_due` makes recovery dispatch that later turn.
  if (starts)
    draft.record().turn_due = true;
  else if (draft.record().status != runtime_status::pending)
    draft.record().turn_due |= draft.has_deliverable();
  out.writes.instances.push_back(std::move(draft).finish(now));
  loaded.live->starting.reset();
  loaded.live->arrived.clear();
  make_runnable(live, *loaded.live);
  return out;
}

turn step_set_aside(volatile_partition& live, const instance_id& id,
                    loaded_instance loaded, const error& reason) {
  discard_run(live, id, loaded);
  loaded.live->held_in_process = true;
  turn out;
  const auto waiting = live.waiters.find(id);
  if (waiting == live.waiters.end())
    return out;
  management_answer answer;
  answer.id = id;
  answer.code = reason.code;
  answer.message = reason.message;
  for (const waiter& one : waiting->second)
    out.effects.push_back(answer_effect{one.to, answer});
  live.waiters.erase(waiting);
  return out;
}

turn step_terminate(const durable_partition& durable, volatile_partition& live,
                    const terminate_instance& request, reply_to from,
                    timestamp now) {
  const instance_id& id = request.id;
  const loaded_instance loaded = find(durable, live, id);
  const bool ends_tree = request.recursive && loaded && loaded.durable
                         && may_have_children(loaded.durable->record);
  // The instances below a finished one may still run.
  const bool is_ended = ends_tree && is_finished(loaded.durable->record.status);
  if (!is_ended)
    if (auto refused = refuse_control(durable, live, id, from))
      return std::move(*refused);
  turn out;
  if (ends_tree) {
    const instance_record& record = loaded.durable->record;
    const tree_top top = top_of(id, record);
    const partition_rules& rules = durable.meta.rules;
    if (find_tree_above(rules, record.place) == nullptr) {
      if (find_tree(rules, top) == nullptr)
        if (auto full = full_of_trees_text(durable, id); !full.empty())
          return refuse(from, errc::limit_exceeded, std::move(full));
      add_tree_end(durable, out, top, request.reason, now);
    }
  }
  if (is_ended) {
    answer_done(out, id, from);
    return out;
  }
  turn ended = terminate(durable, live, id, loaded, request.reason,
                         request.recursive, now);
  ended.writes.rules = std::move(out.writes.rules);
  std::move(out.writes.outbox.begin(), out.writes.outbox.end(),
            std::back_inserter(ended.writes.outbox));
  answer_done(ended, id, from);
  return ended;
}

turn step_end_member(const durable_partition& durable, volatile_partition& live,
                     const instance_id& id, const std::string& reason,
                     timestamp now) {
  const loaded_instance loaded = find(durable, live, id);
  if (!loaded || !loaded.durable || is_finished(loaded.durable->record.status))
    return {};
  return terminate(durable, live, id, loaded, reason, true, now);
}

turn step_child_terminate(const durable_partition& durable,
                          volatile_partition& live, const instance_id& id,
                          const child_terminate& request, dedup_mark source,
                          timestamp now) {
  const loaded_instance loaded = find(durable, live, id);
  if (!loaded || !loaded.durable || is_finished(loaded.durable->record.status)
      || loaded.durable->record.parent != request.parent)
    return mark_only(source);
  turn out = terminate(durable, live, id, loaded, request.reason, true, now);
  out.sources.push_back(source);
  return out;
}

turn step_hold(const durable_partition& durable, volatile_partition& live,
               const instance_id& id, const std::string& reason,
               timestamp now) {
  const loaded_instance loaded = find(durable, live, id);
  if (!loaded || !loaded.durable || is_finished(loaded.durable->record.status)
      || loaded.live->held_in_process)
    return {};
  loaded.live->held_in_process = true;
  turn out;
  instance_draft draft(id, *loaded.durable);
  draft.record().held = reason;
  draft.record().turn_due = true;
  out.writes.instances.push_back(std::move(draft).finish(now));
  out.effects.push_back(
    log_effect{log_level::error, "instance \"" + id + "\" is held: " + reason});
  return out;
}

turn step_release(const durable_partition& durable, volatile_partition& live,
                  const release_instance_request& request, reply_to from,
                  timestamp now) {
  if (auto refused = refuse_control(durable, live, request.id, from))
    return std::move(*refused);
  const loaded_instance loaded = find(durable, live, request.id);
  if (!loaded.live->held_in_process && loaded.durable->record.held.empty()) {
    management_answer answer;
    answer.id = request.id;
    return answer_only(from, answer);
  }
  loaded.live->held_in_process = false;
  turn out;
  instance_draft draft(request.id, *loaded.durable);
  draft.record().held.clear();
  if (draft.record().status != runtime_status::pending)
    draft.record().turn_due |= draft.has_deliverable();
  out.writes.instances.push_back(std::move(draft).finish(now));
  answer_done(out, request.id, from);
  make_runnable(live, *loaded.live);
  return out;
}

// A turn that is running ends normally; `next_turn` dispatches no further one.
turn step_suspend(const durable_partition& durable, volatile_partition& live,
                  const suspend_instance& request, reply_to from,
                  timestamp now) {
  if (auto refused = refuse_control(durable, live, request.id, from))
    return std::move(*refused);
  const loaded_instance loaded = find(durable, live, request.id);
  management_answer answer;
  answer.id = request.id;
  if (loaded.durable->record.status == runtime_status::suspended)
    return answer_only(from, answer); // Durable Functions answers 500 here
  // Space for two events: a suspended instance can always be resumed.
  execution_suspended event{request.reason};
  if (auto full = full_history_text(request.id, loaded.durable->record, 2,
                                    payload_bytes_of(event));
      !full.empty())
    return refuse(from, errc::limit_exceeded, std::move(full));
  turn out;
  instance_draft draft(request.id, *loaded.durable);
  draft.append(now, std::move(event));
  instance_record& record = draft.record();
  record.status_resumed = record.status; // restored by resume
  record.status = runtime_status::suspended;
  out.writes.instances.push_back(std::move(draft).finish(now));
  answer_done(out, request.id, from);
  return out;
}

turn step_resume(const durable_partition& durable, volatile_partition& live,
                 const resume_instance& request, reply_to from, timestamp now) {
  if (auto refused = refuse_control(durable, live, request.id, from))
    return std::move(*refused);
  const loaded_instance loaded = find(durable, live, request.id);
  management_answer answer;
  answer.id = request.id;
  if (loaded.durable->record.status != runtime_status::suspended)
    return answer_only(from, answer);
  // Each resume follows a suspend, whose check limits the number of both.
  execution_resumed event{request.reason};
  if (request.reason.size() > short_reason_bytes)
    if (auto full = full_history_text(request.id, loaded.durable->record, 0,
                                      payload_bytes_of(event));
        !full.empty())
      return refuse(from, errc::limit_exceeded, std::move(full));
  turn out;
  instance_draft draft(request.id, *loaded.durable);
  draft.append(now, std::move(event));
  instance_record& record = draft.record();
  record.status = record.status_resumed;
  if (record.status != runtime_status::pending)
    record.turn_due |= draft.has_deliverable();
  if (record.status != runtime_status::pending && !draft.inbox().empty()
      && may_wait_for_others(durable, *loaded.durable))
    loaded.live->event_due = true;
  out.writes.instances.push_back(std::move(draft).finish(now));
  answer_done(out, request.id, from);
  // The scheduled time may have come while the instance was suspended; if the
  // instance was evicted after that time, `start_due` is no longer set.
  const auto& tasks = loaded.durable->tasks;
  if (auto start = tasks.find(start_sequence);
      start != tasks.end() && start->second.fire_at <= now)
    loaded.live->start_due = true;
  make_runnable(live, *loaded.live);
  return out;
}

turn step_purge(const durable_partition& durable, volatile_partition& live,
                const purge_instance& request, reply_to from) {
  const loaded_instance loaded = find(durable, live, request.id);
  if (!loaded || (!loaded.durable && !loaded.live->starting))
    return refuse_not_found(from, request.id);
  if (loaded.live->starting || !is_finished(loaded.durable->record.status))
    return refuse(
      from, errc::not_finished,
      "Instance \"" + request.id + "\" is "
        + to_string(loaded.durable ? loaded.durable->record.status
                                   : runtime_status::pending)
        + "; only a finished one can be purged. Terminate it first.");
  if (const std::string open
      = open_activities_text(request.id, *loaded.durable);
      !open.empty() && !request.force)
    return refuse(from, errc::not_finished,
                  open
                    + " Purge it when they have ended, or with force, which "
                      "drops those that have not begun.");
  turn out;
  add_cancellation(out, instance_draft(request.id, *loaded.durable), request.id,
                   loaded.durable->record.execution, request.force);
  instance_write write;
  write.id = request.id;
  write.removed = true;
  out.writes.instances.push_back(std::move(write));
  management_answer answer;
  answer.id = request.id;
  add_answers(out, {from}, answer);
  discard_run(live, request.id, loaded);
  return out;
}

} // namespace perdura::actors
