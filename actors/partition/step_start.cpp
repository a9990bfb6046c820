#include "actors/partition/steps.hpp"

namespace perdura::actors {

namespace {

/// The start joins the desk: it waits for the first turn, and both are one
/// journal turn.
void accept_start(partition_state& state, const instance_id& id,
                  arrived_start start) {
  live_instance& live = state.live[id];
  live.arrived.clear();
  live.first_history.clear();
  live.next_inbox = 1;
  live.delivered = 0;
  live.warm = false;
  live.start_due = false;
  live.held_here = false;
  live.turn_out = false;
  ++live.number;
  if (start.source)
    state.marks_waiting[start.source->from].push_back(
      {start.source->sequence, id});
  state.waiting.emplace_back(start.accepted_at, id);
  live.starting = std::move(start);
  make_runnable(state, id, live);
  ++state.counters.starts;
}

/// A start for later is durable at once and pending until its time.
turn schedule_start(partition_state& state, const instance_id& id,
                    arrived_start start, timestamp now) {
  live_instance& live = state.live[id];
  const auto& started = std::get<execution_started>(start.started.body);
  live.next_inbox = 1;
  live.delivered = 0;
  live.warm = false;
  live.start_due = false;
  live.held_here = false;
  live.turn_out = false;
  ++live.number;
  ++state.counters.starts;

  turn out;
  instance_draft draft(id, start);
  draft.open(
    start_sequence,
    {task_kind::scheduled_start, started.name, started.scheduled_at, {}, 0, 1});
  management_answer answer;
  answer.id = id;
  answer.execution = started.execution;
  answer.created = true;
  draft.remember(start.request, answer);
  out.writes.instances.push_back(std::move(draft).finish(now));
  add_answers(out, start.replies, answer);
  return out;
}

} // namespace

turn step_start_instance(partition_state& state, const start_instance& start,
                         reply_to from, timestamp now) {
  if (live_instance* live = state.find(start.id)) {
    if (live->starting) {
      if (!start.request.empty() && live->starting->request == start.request) {
        live->starting->replies.push_back(from);
        return {};
      }
      // Either way the answer rests on the other start: it leaves with the
      // turn that makes that one durable.
      auto& others
        = start.get_or_start ? live->starting->joined : live->starting->refused;
      others.push_back(from);
      return {};
    }
    if (live->stored) {
      if (auto before = repeated_answer(*live->stored, start.request))
        return answer_only(from, std::move(*before));
      const instance_record& record = live->stored->record;
      if (!is_finished(record.status)) {
        if (!start.get_or_start)
          return refuse(from, errc::already_exists,
                        live_sentence(start.id, record.status));
        management_answer answer;
        answer.id = start.id;
        answer.execution = record.execution;
        answer.started = record.status != runtime_status::pending;
        return answer_only(from, std::move(answer));
      }
    }
  }
  auto version = state.config.resolve(start.name, start.version);
  if (!version)
    return refuse(from, version.error().code, version.error().message);

  arrived_start accepted;
  accepted.accepted_at = now;
  accepted.replies.push_back(from);
  accepted.request = start.request;
  execution_started started;
  started.name = start.name;
  started.version = *version;
  started.input = start.input;
  started.execution = start.execution;
  if (start.scheduled_at > now)
    started.scheduled_at = start.scheduled_at;
  accepted.started = {now, std::move(started)};
  if (start.scheduled_at > now)
    return schedule_start(state, start.id, std::move(accepted), now);
  accept_start(state, start.id, std::move(accepted));
  return {};
}

turn step_child_start(partition_state& state, const instance_id& id,
                      const child_start& start, dedup_mark source,
                      timestamp now) {
  const auto refused = [&](std::string type, std::string why) {
    turn out = take_note(source);
    instance_record record;
    record.parent = start.parent;
    add_parent_news(state, out, record, true, "",
                    {std::move(type), std::move(why)});
    return out;
  };
  if (const live_instance* live = state.find(id))
    if (live->starting
        || (live->stored && !is_finished(live->stored->record.status)))
      return refused("already_exists",
                     live_sentence(id, live->stored
                                         ? live->stored->record.status
                                         : runtime_status::pending));
  auto version = state.config.resolve(start.name, start.version);
  if (!version)
    return refused("unknown_orchestrator", version.error().message);
  arrived_start accepted;
  accepted.accepted_at = now;
  accepted.source = source;
  execution_started started;
  started.name = start.name;
  started.version = *version;
  started.input = start.input;
  // Derived from the parent's task: deciding needs no randomness.
  started.execution
    = next_execution(start.parent.execution + ":" + id, start.parent.sequence);
  started.parent = start.parent;
  accepted.started = {now, std::move(started)};
  accept_start(state, id, std::move(accepted));
  return {};
}

} // namespace perdura::actors
