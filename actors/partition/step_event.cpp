#include "actors/partition/steps.hpp"

namespace perdura::actors {

namespace {

/// Events and results that are kept but not taken: at most 10,000 and 16 MiB.
bool buffer_is_full(const live_instance& live, std::size_t more_bytes) {
  std::size_t count = live.arrived.size();
  if (live.stored)
    count += live.stored->inbox.size();
  if (count >= buffered_events_max)
    return true;
  if (count < 16) // 16 values of at most 1 MiB cannot exceed it
    return false;
  std::uint64_t bytes = more_bytes;
  if (live.stored)
    for (const auto& [sequence, message] : live.stored->inbox)
      bytes += payload_bytes_of(message.event.body);
  for (const arrived_message& message : live.arrived)
    bytes += payload_bytes_of(message.event.body);
  return bytes > buffered_bytes_max;
}

/// What becomes of an event for an instance that exists and is alive.
turn take_event(partition_state& state, const instance_id& id,
                live_instance& live, arrived_message message, timestamp now) {
  const auto& raised = std::get<event_raised>(message.event.body);
  if (live.starting || live.turn_out || !live.arrived.empty()) {
    arrive(state, id, live, std::move(message));
    return {};
  }
  const stored_instance& stored = *live.stored;
  const bool halted
    = stored.record.status == runtime_status::suspended || live.held_here;
  const bool awaited = awaits_event(stored, raised.name);
  if (awaited && !halted) {
    arrive(state, id, live, std::move(message));
    return {};
  }
  if (!awaited && state.config.discards_events(stored.record.name)) {
    ++state.counters.events_discarded;
    turn out;
    out.effects.push_back(
      log_effect{2, "event " + raised.name + " for \"" + id
                      + "\" is discarded: nobody waits for it"});
    management_answer answer;
    answer.id = id;
    add_answers(out, message.replies, answer);
    if (message.source)
      out.sources.push_back(*message.source);
    return out;
  }
  return store(id, live, std::move(message), now);
}

bool has_result(const live_instance& live, task_sequence sequence) {
  for (const arrived_message& message : live.arrived)
    if (task_of(message.event.body) == sequence)
      return true;
  for (const auto& [number, message] : live.stored->inbox)
    if (task_of(message.event.body) == sequence)
      return true;
  return false;
}

/// What becomes of a result: it belongs to an open task of this execution, or
/// it is acknowledged, dropped and counted.
turn take_result(partition_state& state, const instance_id& id,
                 const execution_id& execution, arrived_message message,
                 timestamp now) {
  live_instance* live = state.find(id);
  const task_sequence sequence = *task_of(message.event.body);
  const auto stale = [&] {
    ++state.counters.results_stale;
    return message.source ? take_note(*message.source) : turn{};
  };
  if (live == nullptr || live->starting || !live->stored)
    return stale();
  const instance_record& record = live->stored->record;
  if (record.execution != execution
      || (is_finished(record.status) && record.status != runtime_status::failed)
      || !live->stored->tasks.contains(sequence) || has_result(*live, sequence))
    return stale();
  if (record.status == runtime_status::failed
      || record.status == runtime_status::suspended || live->held_here)
    return store(id, *live, std::move(message), now);
  arrive(state, id, *live, std::move(message));
  return {};
}

} // namespace

turn step_raise_event(partition_state& state, const raise_event& event,
                      reply_to from, timestamp now) {
  live_instance* live = state.find(event.id);
  if (live == nullptr || (!live->stored && !live->starting))
    return refuse_not_found(from, event.id);
  if (!live->starting) {
    if (auto before = repeated_answer(*live->stored, event.request))
      return answer_only(from, std::move(*before));
    if (is_finished(live->stored->record.status))
      return refuse_finished(from, event.id, live->stored->record);
  }
  if (!event.request.empty())
    for (arrived_message& other : live->arrived)
      if (other.request == event.request) {
        other.replies.push_back(from);
        return {};
      }
  // Whatever fills the buffer, what is waited for gets through.
  const bool awaited
    = !live->starting && awaits_event(*live->stored, event.name);
  if (!awaited && buffer_is_full(*live, event.data.size()))
    return refuse(from, errc::limit_exceeded,
                  "Instance \"" + event.id + "\" holds "
                    + std::to_string(buffered_events_max)
                    + " events or 16 MiB that it has not taken "
                      "(buffered_events_max); the event was not stored.");
  arrived_message message;
  message.event = {now, event_raised{event.name, event.data}};
  message.replies.push_back(from);
  message.request = event.request;
  message.since = now;
  return take_event(state, event.id, *live, std::move(message), now);
}

turn step_event_send(partition_state& state, const instance_id& id,
                     const event_send& event, dedup_mark source,
                     timestamp now) {
  live_instance* live = state.find(id);
  const bool gone
    = live == nullptr || (!live->stored && !live->starting)
      || (!live->starting && is_finished(live->stored->record.status));
  const bool awaited
    = !gone && !live->starting && awaits_event(*live->stored, event.name);
  if (gone || (!awaited && buffer_is_full(*live, event.input.size()))) {
    ++state.counters.events_discarded;
    turn out = take_note(source);
    out.effects.push_back(
      log_effect{3, "event " + event.name + " sent to \"" + id
                      + (gone ? "\" is dropped: no such live instance"
                              : "\" is dropped: buffered_events_max")});
    return out;
  }
  arrived_message message;
  message.event = {now, event_raised{event.name, event.input}};
  message.source = source;
  message.since = now;
  return take_event(state, id, *live, std::move(message), now);
}

turn step_activity_result(partition_state& state, const activity_result& result,
                          timestamp now) {
  arrived_message message;
  message.event = {now, result.outcome};
  message.since = now;
  return take_result(state, result.instance, result.execution,
                     std::move(message), now);
}

turn step_child_ended(partition_state& state, const instance_id& id,
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
  message.since = now;
  return take_result(state, id, ended.execution, std::move(message), now);
}

turn step_timer_due(partition_state& state, const due_task& due,
                    timestamp now) {
  live_instance* live = state.find(due.instance);
  if (live == nullptr || live->starting || !live->stored)
    return {};
  auto task = live->stored->tasks.find(due.sequence);
  if (task == live->stored->tasks.end() || task->second.fire_at != due.fire_at)
    return {};
  if (task->second.kind == task_kind::scheduled_start) {
    live->start_due = true;
    make_runnable(state, due.instance, *live);
    return {};
  }
  arrived_message message;
  message.event = {now, timer_fired{due.sequence, due.fire_at}};
  message.since = now;
  return take_result(state, due.instance, live->stored->record.execution,
                     std::move(message), now);
}

turn step_wait(partition_state& state, const wait_instance& wait,
               reply_to from) {
  live_instance* live = state.find(wait.id);
  if (live == nullptr || (!live->stored && !live->starting))
    return refuse_not_found(from, wait.id);
  if (!live->starting) {
    const runtime_status status = live->stored->record.status;
    if (is_finished(status)
        || (wait.what == wait_for::started
            && status != runtime_status::pending)) {
      turn out;
      read_effect read;
      read.to.push_back(from);
      read.request.id = wait.id;
      read.request.show_input = false;
      out.effects.push_back(std::move(read));
      return out;
    }
  }
  state.waiters[wait.id].push_back({from, wait.what});
  return {};
}

} // namespace perdura::actors
