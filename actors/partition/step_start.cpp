// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/steps.hpp"

namespace perdura::actors {

using namespace persistence;

namespace {

/// Keeps the start in the volatile state until the first turn of the instance
/// has run; the start and the first turn are then journaled as one turn.
/// Replaces a finished execution; a turn of that execution that is still
/// running becomes void.
void accept_start(volatile_partition& live, const instance_id& id,
                  arrived_start start) {
  live_instance& loaded = live.add(id);
  loaded.arrived.clear();
  loaded.first_history.clear();
  loaded.next_inbox = 1;
  loaded.delivered = 0;
  loaded.warm = false;
  loaded.start_due = false;
  loaded.event_due = false;
  loaded.held_in_process = false;
  loaded.turn_out = false;
  ++loaded.number; // makes outcomes of the old execution void
  if (start.source)
    live.marks_pending[start.source->from].push_back(
      {start.source->sequence, id});
  start.since = live.now;
  live.turn_waits.emplace_back(start.since, id);
  loaded.starting = std::move(start);
  make_runnable(live, loaded);
  ++live.counters.starts;
}

/// Journals a start with a future time at once; the instance is pending until
/// that time.
turn schedule_start(volatile_partition& live, const instance_id& id,
                    arrived_start start, timestamp now) {
  live_instance& loaded = live.add(id);
  const auto& started = std::get<execution_started>(start.started.body);
  // Resets the volatile state of a finished execution with this ID.
  loaded.next_inbox = 1;
  loaded.delivered = 0;
  loaded.warm = false;
  loaded.start_due = false;
  loaded.event_due = false;
  loaded.held_in_process = false;
  loaded.turn_out = false;
  ++loaded.number;
  ++live.counters.starts;

  // The task of kind scheduled_start is the timer of the start.
  turn out;
  instance_draft draft(id, start);
  draft.open(
    start_sequence,
    {task_kind::scheduled_start, started.name, started.scheduled_at, {}, 0, 1});
  management_answer answer;
  answer.id = id;
  answer.execution = started.execution;
  answer.created = true;
  answer.created_at = draft.record().created_at;
  record_answer(out, start.request, answer);
  out.writes.instances.push_back(std::move(draft).finish(now));
  add_answers(out, start.replies, answer);
  return out;
}

/// Checks that a client's start may begin an instance, and returns the version
/// that it runs. `before` is the finished instance that it replaces, or null.
/// The version is fixed here, so that the instance keeps it when newer versions
/// are registered.
result<std::string> check_start(const durable_partition& durable,
                                const instance_id& id,
                                const stored_instance* before,
                                const std::string& name,
                                const std::string& version) {
  if (before != nullptr)
    if (const std::string open = open_activities_text(id, *before);
        !open.empty())
      return error{errc::already_exists,
                   open
                     + " A new instance with this ID can be started when "
                       "they have ended, or when this one has been purged "
                       "with force."};
  return durable.config.resolve(name, version);
}

/// Adds a get-or-start request to a start that is not durable yet. A repeat of
/// a request that was added before is not recorded again.
turn join_start(arrived_start& first, const start_instance& start,
                const request_identity& identity, reply_to from) {
  joined_start joined{from, identity};
  if (identity)
    for (const joined_start& other : first.joined)
      if (other.request.key == identity.key) {
        if (other.request != identity)
          return refuse_reused(from, start.id, start.request);
        joined.request = {};
        break;
      }
  first.joined.push_back(joined);
  return {};
}

} // namespace

turn step_start_instance(const durable_partition& durable,
                         volatile_partition& live, const start_instance& start,
                         const request_identity& identity, reply_to from,
                         timestamp now) {
  if (const loaded_instance loaded = find(durable, live, start.id)) {
    if (loaded.live->starting) {
      arrived_start& first = *loaded.live->starting;
      // If this is a repeat of the request that caused the start, both get the
      // same answer.
      if (identity && first.request.key == identity.key) {
        if (first.request != identity)
          return refuse_reused(from, start.id, start.request);
        first.replies.push_back(from);
        return {};
      }
      // The start in `loaded.live->starting` came first: this request joins it
      // or is refused because of it. In both cases the answer is sent when the
      // turn that contains the first start is durable.
      if (start.get_or_start)
        return join_start(first, start, identity, from);
      first.refused.push_back(from);
      return {};
    }
    if (loaded.durable) {
      const instance_record& record = loaded.durable->record;
      if (!is_finished(record.status)) {
        if (!start.get_or_start)
          return refuse(from, errc::already_exists,
                        already_exists_text(start.id, record.status));
        management_answer answer;
        answer.id = start.id;
        answer.execution = record.execution;
        answer.created_at = record.created_at;
        answer.started = record.status != runtime_status::pending;
        return answer_only(from, std::move(answer));
      }
    }
  }
  auto version = check_start(durable, start.id, durable.find(start.id),
                             start.name, start.version);
  if (!version)
    return refuse(from, version.error().code, version.error().message);

  arrived_start accepted;
  accepted.accepted_at
    = start_time_of(durable, start.id, durable.find(start.id), {}, now);
  accepted.replies.push_back(from);
  accepted.request = identity;
  execution_started started;
  started.name = start.name;
  started.version = *version;
  started.input = start.input;
  started.execution = start.execution;
  // If the scheduled time has passed, the start is an ordinary one.
  if (start.scheduled_at > now)
    started.scheduled_at = start.scheduled_at;
  accepted.started = {accepted.accepted_at, std::move(started)};
  if (start.scheduled_at > now)
    return schedule_start(live, start.id, std::move(accepted), now);
  accept_start(live, start.id, std::move(accepted));
  return {};
}

turn step_start_or_raise(const durable_partition& durable,
                         volatile_partition& live, start_or_raise&& request,
                         const request_identity& identity, reply_to from,
                         timestamp now) {
  const instance_id id = request.id;
  arrived_message message;
  message.event
    = {now, event_raised{std::move(request.event), std::move(request.data)}};
  message.replies.push_back(from);
  message.request = identity;
  message.start = std::make_shared<start_or_raise>(std::move(request));
  const start_or_raise& start = *message.start;
  const stored_instance* before = durable.find(id);
  if (const loaded_instance loaded = find(durable, live, id);
      loaded
      && (loaded.live->starting
          || (loaded.durable && !is_finished(loaded.durable->record.status))))
    return accept_client_event(durable, live, id, loaded, std::move(message),
                               start.request, now);
  auto version = check_start(durable, id, before, start.name, start.version);
  if (!version)
    return refuse(from, version.error().code, version.error().message);
  arrived_start accepted;
  accepted.accepted_at = start_time_of(durable, id, before, {}, now);
  execution_started started;
  started.name = start.name;
  started.version = *version;
  started.input = std::move(message.start->input);
  started.execution = start.execution;
  accepted.started = {accepted.accepted_at, std::move(started)};
  accept_start(live, id, std::move(accepted));
  // The first turn receives the event, and its commit contains both.
  message.starts = true;
  enqueue_message(live, id, find(durable, live, id), std::move(message));
  return {};
}

turn step_child_start(const durable_partition& durable,
                      volatile_partition& live, const instance_id& id,
                      const child_start& start, dedup_mark source,
                      timestamp now) {
  // A refusal is reported to the parent as the end of a failed child.
  const auto refused = [&](std::string type, std::string why) {
    turn out = mark_only(source);
    instance_record record;
    record.parent = start.parent;
    add_child_ended(durable, out, record, true, "",
                    {std::move(type), std::move(why)});
    return out;
  };
  if (const auto* tree = find_tree_above(durable.meta.rules, start.place))
    return refused("terminated",
                   "Sub-orchestration \"" + id + "\" of \"" + start.name
                     + "\" was not started: an ancestor of it in the tree of "
                       "\""
                     + start.place.root + "\" was terminated: " + tree->reason);
  if (const loaded_instance loaded = find(durable, live, id))
    if (loaded.live->starting
        || (loaded.durable && !is_finished(loaded.durable->record.status)))
      return refused("already_exists",
                     already_exists_text(id, loaded.durable
                                               ? loaded.durable->record.status
                                               : runtime_status::pending));
  if (start.place.depth > child_depth_max)
    return refused("limit_exceeded",
                   "Sub-orchestration \"" + id + "\" of \"" + start.name
                     + "\" was not started: it would be more than "
                     + std::to_string(child_depth_max)
                     + " levels below its root \"" + start.place.root
                     + "\" (child_depth_max).");
  auto version = durable.config.resolve(start.name, start.version);
  if (!version)
    return refused("unknown_orchestrator", version.error().message);
  arrived_start accepted;
  accepted.accepted_at
    = start_time_of(durable, id, durable.find(id), start.place, now);
  accepted.place = start.place;
  accepted.source = source;
  execution_started started;
  started.name = start.name;
  started.version = *version;
  started.input = start.input;
  // The execution ID is derived from the parent's task, because steps use no
  // randomness.
  started.execution
    = next_execution(start.parent.execution + ":" + id, start.parent.sequence);
  started.parent = start.parent;
  accepted.started = {accepted.accepted_at, std::move(started)};
  accept_start(live, id, std::move(accepted));
  return {};
}

} // namespace perdura::actors
