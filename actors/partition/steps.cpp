#include "actors/partition/steps.hpp"

namespace perdura::actors {

turn answer_only(reply_to to, management_answer answer) {
  turn out;
  if (to)
    out.effects.push_back(answer_effect{to, std::move(answer)});
  return out;
}

turn refuse(reply_to to, errc code, std::string message) {
  management_answer answer;
  answer.code = code;
  answer.message = std::move(message);
  return answer_only(to, std::move(answer));
}

turn refuse_not_found(reply_to to, const instance_id& id) {
  return refuse(to, errc::not_found,
                "There is no instance \"" + id
                  + "\"; it was never started here, or has been purged.");
}

turn refuse_finished(reply_to to, const instance_id& id,
                     const instance_record& record) {
  return refuse(to, errc::already_finished,
                "Instance \"" + id + "\" is " + name_of(record.status)
                  + "; nothing can reach it any more.");
}

turn take_note(dedup_mark source) {
  turn out;
  out.sources.push_back(source);
  return out;
}

std::optional<management_answer> repeated_answer(const stored_instance& stored,
                                                 const request_id& request) {
  if (request.empty())
    return std::nullopt;
  for (const request_record& known : stored.requests) {
    if (known.id != request)
      continue;
    management_answer answer;
    answer.code = known.code;
    (known.code == errc::ok ? answer.id : answer.message) = known.detail;
    answer.execution = known.execution;
    answer.created = !known.execution.empty();
    answer.started = stored.record.status != runtime_status::pending;
    return answer;
  }
  return std::nullopt;
}

void add_answers(turn& into, const std::vector<reply_to>& to,
                 const management_answer& answer) {
  for (const reply_to& one : to)
    if (one)
      into.effects.push_back(answer_effect{one, answer});
}

void add_start_answers(turn& into, instance_draft& draft, const instance_id& id,
                       const arrived_start& start, bool started) {
  management_answer answer;
  answer.id = id;
  answer.execution = draft.record().execution;
  answer.created = true;
  answer.started = started;
  draft.remember(start.request, answer);
  add_answers(into, start.replies, answer);
  answer.created = false;
  add_answers(into, start.joined, answer);
  answer.code = errc::already_exists;
  answer.message = live_sentence(id, runtime_status::pending);
  answer.execution.clear();
  answer.started = false;
  add_answers(into, start.refused, answer);
  if (start.source)
    into.sources.push_back(*start.source);
}

std::string live_sentence(const instance_id& id, runtime_status status) {
  return "An orchestration instance with the ID \"" + id + "\" is already "
         + name_of(status)
         + "; choose another ID, wait for its end, or terminate it.";
}

void add_outbox(const partition_state& state, turn& into, instance_id to,
                outbox_body body) {
  const partition_id where
    = state.config.partition_of(to, state.config.partition_count);
  into.writes.outbox.push_back({where, 0, std::move(to), std::move(body)});
}

void add_parent_news(const partition_state& state, turn& into,
                     const instance_record& record, bool failed,
                     const std::string& result,
                     const failure_details& failure) {
  const parent_link& parent = record.parent;
  if (parent.instance.empty())
    return;
  add_outbox(
    state, into, parent.instance,
    child_ended{parent.execution, parent.sequence, failed, result, failure});
}

void add_waiters(partition_state& state, turn& into, const instance_id& id,
                 bool finished) {
  auto it = state.waiters.find(id);
  if (it == state.waiters.end())
    return;
  read_effect read;
  read.request.id = id;
  read.request.show_input = false;
  std::erase_if(it->second, [&](const waiter& one) {
    if (!finished && one.what == wait_for::finished)
      return false;
    read.to.push_back(one.to);
    return true;
  });
  if (it->second.empty())
    state.waiters.erase(it);
  if (!read.to.empty())
    into.effects.push_back(std::move(read));
}

void arrive(partition_state& state, const instance_id& id, live_instance& live,
            arrived_message message) {
  message.sequence = live.next_inbox++;
  if (message.source)
    state.marks_waiting[message.source->from].push_back(
      {message.source->sequence, id});
  state.waiting.emplace_back(message.since, id);
  live.arrived.push_back(std::move(message));
  make_runnable(state, id, live);
}

turn store(const instance_id& id, live_instance& live, arrived_message message,
           timestamp now) {
  turn out;
  instance_draft draft(id, *live.stored);
  management_answer answer;
  answer.id = id;
  draft.remember(message.request, answer);
  draft.put_inbox(live.next_inbox++, std::move(message.event));
  // A pending instance's first turn is due at its time, a failed one's next
  // turn when it is rewound, whatever has arrived.
  const runtime_status status = draft.record().status;
  if (!is_finished(status) && status != runtime_status::pending)
    draft.record().turn_due |= draft.has_deliverable();
  out.writes.instances.push_back(std::move(draft).finish(now));
  add_answers(out, message.replies, answer);
  if (message.source)
    out.sources.push_back(*message.source);
  return out;
}

const char* name_of(runtime_status status) {
  switch (status) {
  case runtime_status::running:
    return "Running";
  case runtime_status::completed:
    return "Completed";
  case runtime_status::continued_as_new:
    return "ContinuedAsNew";
  case runtime_status::failed:
    return "Failed";
  case runtime_status::canceled:
    return "Canceled";
  case runtime_status::terminated:
    return "Terminated";
  case runtime_status::pending:
    return "Pending";
  case runtime_status::suspended:
    return "Suspended";
  }
  return "Unknown";
}

} // namespace perdura::actors
