// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/steps.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace perdura::actors {

using namespace persistence;

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
                "Instance \"" + id + "\" is " + to_string(record.status)
                  + "; it accepts no further requests.");
}

std::string full_history_text(const instance_id& id,
                              const instance_record& record, event_index events,
                              std::uint64_t bytes) {
  const std::string head = "The history of instance \"" + id + "\" has ";
  const std::string tail
    = "; the request was refused, so that the code has space to end. Let it "
      "continue as new, or terminate it.";
  if (record.history_count + events + history_events_reserved
      > history_events_max)
    return head + std::to_string(record.history_count) + " of "
           + std::to_string(history_events_max) + " events (history_events_max)"
           + tail;
  if (record.history_bytes + bytes + history_bytes_reserved > history_bytes_max)
    return head + std::to_string(record.history_bytes) + " of "
           + std::to_string(history_bytes_max) + " bytes (history_bytes_max)"
           + tail;
  return {};
}

turn mark_only(dedup_mark source) {
  turn out;
  out.sources.push_back(source);
  return out;
}

void add_answers(turn& into, const std::vector<reply_to>& to,
                 const management_answer& answer) {
  for (const reply_to& one : to)
    if (one)
      into.effects.push_back(answer_effect{one, answer});
}

management_answer answer_to(const arrived_message& message,
                            const instance_id& id,
                            const instance_record& record, bool has_run) {
  management_answer answer;
  answer.id = id;
  if (!message.start)
    return answer;
  answer.execution = record.execution;
  answer.created = message.starts;
  answer.created_at = record.created_at;
  answer.started = has_run;
  return answer;
}

void keep_unraised(volatile_partition& live,
                   std::vector<arrived_message>& arrived) {
  const auto unraised = std::stable_partition(
    arrived.begin(), arrived.end(),
    [](const arrived_message& each) { return !each.start || each.starts; });
  std::move(unraised, arrived.end(), std::back_inserter(live.unraised));
  arrived.erase(unraised, arrived.end());
}

void add_start_answers(turn& into, instance_draft& draft, const instance_id& id,
                       const arrived_start& start, bool started) {
  management_answer answer;
  answer.id = id;
  answer.execution = draft.record().execution;
  answer.created = true;
  answer.created_at = draft.record().created_at;
  answer.started = started;
  record_answer(into, start.request, answer);
  add_answers(into, start.replies, answer);
  // A get-or-start request that joined this start gets the same instance, but
  // did not create it.
  answer.created = false;
  for (const joined_start& each : start.joined) {
    record_answer(into, each.request, answer);
    add_answers(into, {each.from}, answer);
  }
  if (!start.refused.empty()) {
    answer.code = errc::already_exists;
    answer.message = already_exists_text(id, runtime_status::pending);
    answer.execution.clear();
    answer.created_at = {};
    answer.started = false;
    add_answers(into, start.refused, answer);
  }
  if (start.source)
    into.sources.push_back(*start.source);
}

std::string already_exists_text(const instance_id& id, runtime_status status) {
  return "An orchestration instance with the ID \"" + id + "\" is already "
         + to_string(status)
         + "; choose another ID, wait for its end, or terminate it.";
}

void add_outbox(const durable_partition& durable, turn& into, instance_id to,
                outbox_body body) {
  const partition_id where
    = durable.config.partition_of(to, durable.config.partition_count);
  // Sequence 0 is a placeholder; see partition_processor::journal_turn.
  into.writes.outbox.push_back({where, 0, std::move(to), std::move(body)});
}

void add_child_ended(const durable_partition& durable, turn& into,
                     const instance_record& record, bool failed,
                     const std::string& result,
                     const failure_details& failure) {
  const parent_link& parent = record.parent;
  if (parent.instance.empty()) // not a sub-orchestration
    return;
  add_outbox(
    durable, into, parent.instance,
    child_ended{parent.execution, parent.sequence, failed, result, failure});
}

// The waits of clients are kept only in memory, so a crash of the node loses
// them.
void add_wait_answers(volatile_partition& live, turn& into,
                      const instance_id& id, bool finished) {
  auto it = live.waiters.find(id);
  if (it == live.waiters.end())
    return;
  // One read effect answers all waiting clients.
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
    live.waiters.erase(it);
  if (!read.to.empty())
    into.effects.push_back(std::move(read));
}

bool may_wait_for_others(const durable_partition& durable,
                         const stored_instance& stored) {
  return stored.record.status != runtime_status::pending
         && !is_finished(stored.record.status)
         && stored.record.code_epoch != durable.meta.epoch;
}

void enqueue_message(volatile_partition& live, const instance_id& id,
                     loaded_instance loaded, arrived_message message) {
  message.sequence = loaded.live->next_inbox++;
  // The message's mark is pending until a turn contains the message.
  if (message.source)
    live.marks_pending[message.source->from].push_back(
      {message.source->sequence, id});
  message.since = live.now;
  live.turn_waits.emplace_back(message.since, id);
  loaded.live->arrived.push_back(std::move(message));
  make_runnable(live, *loaded.live);
}

// The message becomes durable with this turn, so its requests are answered and
// its source is acknowledged when the turn is durable.
turn store_in_inbox(const instance_id& id, loaded_instance loaded,
                    arrived_message message, timestamp now) {
  turn out;
  instance_draft draft(id, *loaded.durable);
  const management_answer answer
    = answer_to(message, id, draft.record(),
                draft.record().status != runtime_status::pending);
  record_answer(out, message.request, answer);
  draft.put_inbox(loaded.live->next_inbox++, std::move(message.event));
  // `turn_due` is not set for a pending instance, whose first turn runs at the
  // scheduled time, nor for a failed one, whose next turn runs after a rewind.
  const runtime_status status = draft.record().status;
  if (!is_finished(status) && status != runtime_status::pending)
    draft.record().turn_due |= draft.has_deliverable();
  out.writes.instances.push_back(std::move(draft).finish(now));
  add_answers(out, message.replies, answer);
  if (message.source)
    out.sources.push_back(*message.source);
  return out;
}

} // namespace perdura::actors
