// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/steps.hpp"
#include "persistence/records/text.hpp"

#include <algorithm>

namespace perdura::actors {

using namespace persistence;

namespace {

/// The bytes of the payloads that the message holds in memory.
std::uint64_t bytes_of(const arrived_message& message) {
  return payload_bytes_of(message.event.body)
         + (message.start ? message.start->input.size() : 0);
}

/// Returns true if the number of the instance's unconsumed messages, durable or
/// not, has reached `buffered_events_max`, or if their bytes together with
/// `more_bytes` exceed `buffered_bytes_max`.
bool buffer_is_full(loaded_instance loaded, std::uint64_t more_bytes) {
  std::size_t count = loaded.live->arrived.size();
  if (loaded.durable)
    count += loaded.durable->inbox.size();
  if (count >= buffered_events_max)
    return true;
  if (count < 16) // 16 payloads of at most 1 MiB each cannot exceed 16 MiB
    return false;
  std::uint64_t bytes = more_bytes;
  if (loaded.durable)
    for (const auto& [sequence, message] : loaded.durable->inbox)
      bytes += payload_bytes_of(message.event.body);
  for (const arrived_message& message : loaded.live->arrived)
    bytes += bytes_of(message);
  return bytes > buffered_bytes_max;
}

/// Returns true if an open wait of that name is left for one more event: fewer
/// unconsumed events of the name, durable or not, than open waits. Such an
/// event is accepted although the buffer is full, because the instance might
/// otherwise wait for ever. An instance that is starting has no waits.
bool has_wait_left(loaded_instance loaded, std::string_view name) {
  if (loaded.live->starting)
    return false;
  std::size_t waits = open_waits(*loaded.durable, name);
  const auto consumes_wait = [&](const history_event& event) {
    const auto* raised = std::get_if<event_raised>(&event.body);
    if (waits > 0 && raised != nullptr
        && equal_ignoring_case(raised->name, name))
      --waits;
    return waits == 0;
  };
  if (waits == 0)
    return false;
  for (const auto& [sequence, message] : loaded.durable->inbox)
    if (consumes_wait(message.event))
      return false;
  for (const arrived_message& message : loaded.live->arrived)
    if (consumes_wait(message.event))
      return false;
  return true;
}

/// Accepts an event for an unfinished instance: the event waits for a turn,
/// enters the inbox at once, or is discarded.
turn accept_event(const durable_partition& durable, volatile_partition& live,
                  const instance_id& id, loaded_instance loaded,
                  arrived_message message, timestamp now) {
  const auto& raised = std::get<event_raised>(message.event.body);
  // The turn that is running or due may open or close waits, and messages must
  // be delivered in order of arrival. The event is therefore examined after
  // that turn (`continue_waiting`).
  if (loaded.live->starting || loaded.live->turn_out
      || !loaded.live->arrived.empty()) {
    enqueue_message(live, id, loaded, std::move(message));
    return {};
  }
  const stored_instance& stored = *loaded.durable;
  // No turn will run soon, so the event must not wait for one.
  const bool halted = stored.record.status == runtime_status::suspended
                      || loaded.live->held_in_process;
  const bool awaited = awaits_event(stored, raised.name);
  if (!awaited && !halted && may_wait_for_others(durable, stored)) {
    loaded.live->event_due = true;
    enqueue_message(live, id, loaded, std::move(message));
    return {};
  }
  if (awaited && !halted) {
    enqueue_message(live, id, loaded, std::move(message));
    return {};
  }
  if (!awaited && durable.config.discards_events(stored.record.name)) {
    ++live.counters.events_discarded;
    turn out;
    out.effects.push_back(log_effect{
      log_level::info, "event " + raised.name + " for \"" + id
                         + "\" is discarded: no open wait has this name"});
    add_answers(out, message.replies,
                answer_to(message, id, stored.record,
                          stored.record.status != runtime_status::pending));
    if (message.source)
      out.sources.push_back(*message.source);
    return out;
  }
  return store_in_inbox(id, loaded, std::move(message), now);
}

/// The task of an activity that an earlier execution has left behind.
std::optional<task_sequence> left_task_of(const stored_instance& stored,
                                          const execution_id& execution,
                                          task_sequence sequence) {
  for (auto it = stored.tasks.lower_bound(left_sequence_first);
       it != stored.tasks.end(); ++it)
    if (it->second.left && it->second.left->execution == execution
        && it->second.left->sequence == sequence)
      return it->first;
  return std::nullopt;
}

/// Accepts a result that belongs to an open task of the current execution.
/// Any other result is acknowledged, dropped and counted as stale.
turn accept_result(const durable_partition& durable, volatile_partition& live,
                   const instance_id& id, const execution_id& execution,
                   arrived_message message, timestamp now) {
  const loaded_instance loaded = find(durable, live, id);
  const task_sequence sequence = *task_of(message.event.body);
  const auto stale = [&] {
    ++live.counters.results_stale;
    return message.source ? mark_only(*message.source) : turn{};
  };
  // An instance that is starting has no tasks, so the result belongs to the
  // execution that the start replaces.
  if (!loaded || loaded.live->starting || !loaded.durable)
    return stale();
  const instance_record& record = loaded.durable->record;
  std::optional<task_sequence> unused
    = left_task_of(*loaded.durable, execution, sequence);
  if (!unused) {
    if (record.execution != execution
        || !loaded.durable->tasks.contains(sequence)
        || has_result(loaded, sequence))
      return stale();
    if (is_finished(record.status) && record.status != runtime_status::failed)
      unused = sequence;
  }
  // The activity has run; no code uses its result.
  if (unused) {
    turn out = stale();
    instance_draft draft(id, *loaded.durable);
    draft.close(*unused);
    out.writes.instances.push_back(
      std::move(draft).finish(record.last_updated_at));
    return out;
  }
  // No turn will run soon: the result enters the inbox. A failed instance keeps
  // results for a rewind.
  if (record.status == runtime_status::failed
      || record.status == runtime_status::suspended
      || loaded.live->held_in_process)
    return store_in_inbox(id, loaded, std::move(message), now);
  enqueue_message(live, id, loaded, std::move(message));
  return {};
}

} // namespace

turn step_raise_event(const durable_partition& durable,
                      volatile_partition& live, const raise_event& event,
                      const request_identity& identity, reply_to from,
                      timestamp now) {
  const loaded_instance loaded = find(durable, live, event.id);
  if (!loaded || (!loaded.durable && !loaded.live->starting))
    return refuse_not_found(from, event.id);
  if (!loaded.live->starting && is_finished(loaded.durable->record.status))
    return refuse_finished(from, event.id, loaded.durable->record);
  arrived_message message;
  message.event = {now, event_raised{event.name, event.data}};
  message.replies.push_back(from);
  message.request = identity;
  return accept_client_event(durable, live, event.id, loaded,
                             std::move(message), event.request, now);
}

turn accept_client_event(const durable_partition& durable,
                         volatile_partition& live, const instance_id& id,
                         loaded_instance loaded, arrived_message message,
                         const request_id& request, timestamp now) {
  const reply_to from = message.replies.front();
  // If this is a repeat of a request whose event is not durable yet, both get
  // the same answer.
  if (const request_identity& identity = message.request)
    for (arrived_message& other : loaded.live->arrived)
      if (other.request.key == identity.key) {
        if (other.request != identity)
          return refuse_reused(from, id, request);
        other.replies.push_back(from);
        return {};
      }
  const auto& raised = std::get<event_raised>(message.event.body);
  if (buffer_is_full(loaded, bytes_of(message))
      && !has_wait_left(loaded, raised.name))
    return refuse(from, errc::limit_exceeded,
                  "Instance \"" + id + "\" has "
                    + std::to_string(buffered_events_max)
                    + " unconsumed events, or 16 MiB of them "
                      "(buffered_events_max); the event was not stored.");
  return accept_event(durable, live, id, loaded, std::move(message), now);
}

// Unlike an event from a client, a sent event cannot be refused: the sender's
// turn is durable and does not wait for an answer.
turn step_event_send(const durable_partition& durable, volatile_partition& live,
                     const instance_id& id, const event_send& event,
                     dedup_mark source, timestamp now) {
  const loaded_instance loaded = find(durable, live, id);
  const bool gone
    = !loaded || (!loaded.durable && !loaded.live->starting)
      || (!loaded.live->starting && is_finished(loaded.durable->record.status));
  if (gone
      || (buffer_is_full(loaded, event.input.size())
          && !has_wait_left(loaded, event.name))) {
    ++live.counters.events_discarded;
    turn out = mark_only(source);
    out.effects.push_back(
      log_effect{log_level::warning,
                 "event " + event.name + " sent to \"" + id
                   + (gone ? "\" is dropped: no unfinished instance has this ID"
                           : "\" is dropped: the instance's buffer is full "
                             "(buffered_events_max)")});
    return out;
  }
  arrived_message message;
  message.event = {now, event_raised{event.name, event.input}};
  message.source = source;
  return accept_event(durable, live, id, loaded, std::move(message), now);
}

turn step_activity_result(const durable_partition& durable,
                          volatile_partition& live,
                          const activity_result& result, timestamp now) {
  arrived_message message;
  message.event = {now, result.outcome};
  return accept_result(durable, live, result.instance, result.execution,
                       std::move(message), now);
}

turn step_child_ended(const durable_partition& durable,
                      volatile_partition& live, const instance_id& id,
                      const child_ended& ended, dedup_mark source,
                      timestamp now) {
  arrived_message message;
  message.event.time = now;
  if (ended.failed)
    message.event.body
      = sub_orchestration_instance_failed{ended.sequence, ended.failure};
  else
    message.event.body
      = sub_orchestration_instance_completed{ended.sequence, ended.result};
  message.source = source;
  return accept_result(durable, live, id, ended.execution, std::move(message),
                       now);
}

turn step_timer_due(const durable_partition& durable, volatile_partition& live,
                    const due_task& due, timestamp now) {
  const loaded_instance loaded = find(durable, live, due.instance);
  if (!loaded || loaded.live->starting || !loaded.durable)
    return {};
  auto task = loaded.durable->tasks.find(due.sequence);
  // The timer was cancelled, or belongs to an earlier execution.
  if (task == loaded.durable->tasks.end()
      || due_of(task->second) != due.fire_at)
    return {};
  // The first turn closes the task of a scheduled start; nothing is journaled
  // before that turn.
  if (task->second.kind == task_kind::scheduled_start) {
    loaded.live->start_due = true;
    make_runnable(live, *loaded.live);
    return {};
  }
  arrived_message message;
  // The wall clock may have been set back since the timer was created.
  message.event = {std::max(now, task->second.fire_at),
                   timer_fired{due.sequence, task->second.fire_at}};
  return accept_result(durable, live, due.instance,
                       loaded.durable->record.execution, std::move(message),
                       now);
}

turn step_wait(const durable_partition& durable, volatile_partition& live,
               const wait_instance& wait, reply_to from) {
  const loaded_instance loaded = find(durable, live, wait.id);
  if (!loaded || (!loaded.durable && !loaded.live->starting))
    return refuse_not_found(from, wait.id);
  if (!loaded.live->starting) {
    const runtime_status status = loaded.durable->record.status;
    if (is_finished(status)
        || (wait.what == wait_for::started
            && status != runtime_status::pending)) {
      // The processor holds the read until the newest turn is durable.
      turn out;
      read_effect read;
      read.to.push_back(from);
      read.request.id = wait.id;
      read.request.show_input = false;
      out.effects.push_back(std::move(read));
      return out;
    }
  }
  live.waiters[wait.id].push_back({from, wait.what});
  return {};
}

} // namespace perdura::actors
