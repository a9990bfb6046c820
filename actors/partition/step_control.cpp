#include "actors/authoring/json_text_check.hpp"
#include "actors/partition/steps.hpp"

namespace perdura::actors {

namespace {

/// The coroutine goes; a turn that is out is void when it comes back.
void drop_run(partition_state& state, const instance_id& id,
              live_instance& live) {
  ++live.number;
  live.turn_out = false;
  live.warm = false;
  live.delivered = 0;
  live.first_history.clear();
  state.dropped.push_back(id);
}

turn terminate(partition_state& state, const instance_id& id,
               live_instance& live, const std::string& reason, bool recursive,
               timestamp now) {
  turn out;
  instance_draft draft(id, *live.stored);
  const std::string output = json_string(reason);
  if (recursive)
    for (const auto& [sequence, task] : live.stored->tasks)
      if (task.kind == task_kind::sub_orchestration)
        add_outbox(state, out, task.child,
                   child_terminate{
                     reason, {id, live.stored->record.execution, sequence}});
  for (const auto& [sequence, event] : draft.inbox())
    if (task_of(event.body))
      draft.take_inbox(sequence);
  draft.close_all();
  instance_record& record = draft.record();
  record.output_event = draft.append(now, execution_terminated{output});
  record.status = runtime_status::terminated;
  record.ended_at = now;
  record.turn_due = false;
  record.held.clear();
  add_parent_news(state, out, record, true, "",
                  {"terminated", "\"" + id + "\" was terminated: " + reason});
  out.writes.instances.push_back(std::move(draft).finish(now));
  add_waiters(state, out, id, true);
  out.effects.push_back(
    log_effect{2, "instance \"" + id + "\" is terminated: " + reason});
  drop_run(state, id, live);
  ++state.counters.terminated;
  return out;
}

/// The answer of a control operation that was done, remembered if it can be
/// repeated.
void answer_done(turn& out, const instance_id& id, const request_id& request,
                 reply_to from) {
  management_answer answer;
  answer.id = id;
  if (!request.empty())
    out.writes.instances.front().requests.push_back(
      {request, errc::ok, id, {}});
  add_answers(out, {from}, answer);
}

/// Why a control operation cannot reach the instance, or how it was answered
/// before; empty if it can go on.
std::optional<turn> refusal(partition_state& state, const instance_id& id,
                            const request_id& request, reply_to from) {
  const live_instance* live = state.find(id);
  if (live == nullptr || !live->stored)
    return refuse_not_found(from, id);
  if (auto before = repeated_answer(*live->stored, request))
    return answer_only(from, std::move(*before));
  if (is_finished(live->stored->record.status))
    return refuse_finished(from, id, live->stored->record);
  return std::nullopt;
}

} // namespace

turn step_settle(partition_state& state, const instance_id& id,
                 live_instance& live, timestamp now) {
  turn out;
  const bool starts = live.starting.has_value();
  instance_draft draft = starts ? instance_draft(id, *live.starting)
                                : instance_draft(id, *live.stored);
  if (starts) {
    add_start_answers(out, draft, id, *live.starting, false);
    live.first_history = {live.starting->started};
  }
  management_answer answer;
  answer.id = id;
  for (arrived_message& message : live.arrived) {
    draft.remember(message.request, answer);
    add_answers(out, message.replies, answer);
    if (message.source)
      out.sources.push_back(*message.source);
    draft.put_inbox(message.sequence, std::move(message.event));
  }
  if (starts)
    draft.record().turn_due = true;
  else if (draft.record().status != runtime_status::pending)
    draft.record().turn_due |= draft.has_deliverable();
  out.writes.instances.push_back(std::move(draft).finish(now));
  live.starting.reset();
  live.arrived.clear();
  make_runnable(state, id, live);
  return out;
}

turn step_terminate(partition_state& state, const terminate_instance& request,
                    reply_to from, timestamp now) {
  if (auto refused = refusal(state, request.id, request.request, from))
    return std::move(*refused);
  live_instance& live = *state.find(request.id);
  turn out = terminate(state, request.id, live, request.reason,
                       request.recursive, now);
  answer_done(out, request.id, request.request, from);
  return out;
}

turn step_child_terminate(partition_state& state, const instance_id& id,
                          const child_terminate& request, dedup_mark source,
                          timestamp now) {
  live_instance* live = state.find(id);
  if (live == nullptr || !live->stored
      || is_finished(live->stored->record.status)
      || live->stored->record.parent != request.parent)
    return take_note(source);
  turn out = terminate(state, id, *live, request.reason, true, now);
  out.sources.push_back(source);
  return out;
}

turn step_suspend(partition_state& state, const suspend_instance& request,
                  reply_to from, timestamp now) {
  if (auto refused = refusal(state, request.id, request.request, from))
    return std::move(*refused);
  live_instance& live = *state.find(request.id);
  management_answer answer;
  answer.id = request.id;
  if (live.stored->record.status == runtime_status::suspended)
    return answer_only(from, answer); // idempotent, unlike the original
  turn out;
  instance_draft draft(request.id, *live.stored);
  draft.append(now, execution_suspended{request.reason});
  instance_record& record = draft.record();
  record.status_resumed = record.status;
  record.status = runtime_status::suspended;
  out.writes.instances.push_back(std::move(draft).finish(now));
  answer_done(out, request.id, request.request, from);
  return out;
}

turn step_resume(partition_state& state, const resume_instance& request,
                 reply_to from, timestamp now) {
  if (auto refused = refusal(state, request.id, request.request, from))
    return std::move(*refused);
  live_instance& live = *state.find(request.id);
  management_answer answer;
  answer.id = request.id;
  if (live.stored->record.status != runtime_status::suspended)
    return answer_only(from, answer);
  turn out;
  instance_draft draft(request.id, *live.stored);
  draft.append(now, execution_resumed{request.reason});
  instance_record& record = draft.record();
  record.status = record.status_resumed;
  if (record.status != runtime_status::pending)
    record.turn_due |= draft.has_deliverable();
  out.writes.instances.push_back(std::move(draft).finish(now));
  answer_done(out, request.id, request.request, from);
  // Its time came while it was suspended, and it may have left memory since.
  const auto& tasks = live.stored->tasks;
  if (auto start = tasks.find(start_sequence);
      start != tasks.end() && start->second.fire_at <= now)
    live.start_due = true;
  make_runnable(state, request.id, live);
  return out;
}

turn step_purge(partition_state& state, const purge_instance& request,
                reply_to from) {
  live_instance* live = state.find(request.id);
  if (live == nullptr || (!live->stored && !live->starting))
    return refuse_not_found(from, request.id);
  if (live->starting || !is_finished(live->stored->record.status))
    return refuse(
      from, errc::not_finished,
      "Instance \"" + request.id + "\" is "
        + name_of(live->stored ? live->stored->record.status
                               : runtime_status::pending)
        + "; only a finished one can be purged. Terminate it first.");
  turn out;
  instance_write write;
  write.id = request.id;
  write.removed = true;
  out.writes.instances.push_back(std::move(write));
  management_answer answer;
  answer.id = request.id;
  add_answers(out, {from}, answer);
  drop_run(state, request.id, *live);
  return out;
}

} // namespace perdura::actors
