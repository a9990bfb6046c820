// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/rewind_plan.hpp"
#include "actors/partition/steps.hpp"
#include <perdura/actors/authoring/payload.hpp>

namespace perdura::actors {

using namespace persistence;

namespace {

/// Makes the plan for the rewind of a failed instance.
rewind_plan plan_for(const std::vector<history_event>& history,
                     const stored_instance& stored, const std::string& reason) {
  std::vector<const history_event*> inbox;
  for (const auto& [sequence, message] : stored.inbox)
    inbox.push_back(&message.event);
  rewind_plan plan = plan_rewind(
    history, inbox, stored.record.next_sequence,
    [&](task_sequence sequence) { return stored.tasks.contains(sequence); });
  plan.event.reason = reason;
  return plan;
}

/// Removes the failures that arrived after the instance had failed: the code
/// never received them, and their tasks run again.
void void_stored_failures(instance_draft& draft) {
  for (const auto& [sequence, event] : draft.inbox())
    if (is_failure(event)) {
      draft.remove_from_inbox(sequence);
      draft.close(*task_of(event.body));
    }
}

/// Opens the tasks of the plan again: activities with new sequences, children
/// through the outbox.
void open_reruns(const durable_partition& durable, volatile_partition& live,
                 turn& out, instance_draft& draft, const rewind_plan& plan,
                 const instance_id& id,
                 const std::vector<history_event>& history) {
  for (const task_rerun& one : plan.event.reruns) {
    const event_index* place = plan.scheduled_event_of(one.old_sequence);
    if (place == nullptr)
      continue;
    const auto& scheduled = std::get<task_scheduled>(history[*place].body);
    draft.open(one.new_sequence,
               {task_kind::activity, scheduled.name, {}, {}, *place, 1});
    activity_work_item item;
    item.partition = durable.config.id;
    item.instance = id;
    item.execution = draft.record().execution;
    item.sequence = one.new_sequence;
    item.name = scheduled.name;
    item.input = scheduled.input;
    item.scheduled_event = *place;
    item.time_out = scheduled.time_out;
    item.start_time_out = scheduled.start_time_out;
    out.effects.push_back(activity_effect{std::move(item)});
    ++live.counters.activities;
  }
  for (const task_sequence sequence : plan.children) {
    const event_index* place = plan.scheduled_event_of(sequence);
    if (place == nullptr)
      continue;
    const auto& created
      = std::get<sub_orchestration_instance_created>(history[*place].body);
    draft.open(sequence, {task_kind::sub_orchestration,
                          created.name,
                          {},
                          created.instance,
                          *place,
                          1});
    add_outbox(durable, out, created.instance,
               child_rewind{plan.event.reason,
                            {id, draft.record().execution, sequence}});
  }
}

/// Returns the sentence of errc::limit_exceeded if the history of a failed
/// instance has no space for the plan and another run of the code.
std::string full_for_rewind(const instance_id& id,
                            const stored_instance& stored,
                            const rewind_plan& plan) {
  return full_history_text(id, stored.record, 1, payload_bytes_of(plan.event));
}

/// Rewinds a failed instance. The next turn is cold and repeats the void turns.
turn rewind(const durable_partition& durable, volatile_partition& live,
            const instance_id& id, loaded_instance loaded, rewind_plan plan,
            const std::vector<history_event>& history, timestamp now) {
  turn out;
  const std::string reason = plan.event.reason;
  instance_draft draft(id, *loaded.durable);
  void_stored_failures(draft);
  open_reruns(durable, live, out, draft, plan, id, history);
  instance_record& record = draft.record();
  record.next_sequence = plan.event.next_sequence;
  record.status = runtime_status::running;
  record.ended_at = {};
  record.output_event = 0;
  record.turn_due = true;
  record.held = missing_activity_text(durable, draft);
  draft.append(now, std::move(plan.event));
  out.writes.instances.push_back(std::move(draft).finish(now));
  // The next turn is cold: it replays the history without the void turns.
  loaded.live->warm = false;
  loaded.live->delivered = 0;
  loaded.live->held_in_process = false;
  loaded.live->first_history.clear();
  make_runnable(live, *loaded.live);
  out.effects.push_back(log_effect{
    log_level::info, "instance \"" + id + "\" is rewound: " + reason});
  return out;
}

/// Returns the reason of a termination, which is stored as JSON, as plain text.
std::string plain_reason(const execution_terminated& event) {
  try {
    return from_payload<std::string>(event.reason);
  } catch (const payload_error&) {
    return event.reason;
  }
}

/// Returns the task of a parent that has started the instance; its `instance`
/// is empty if no parent has. Null if there is no instance.
const parent_link* starter_of(loaded_instance loaded) {
  if (!loaded)
    return nullptr;
  if (loaded.live->starting)
    return &std::get<execution_started>(loaded.live->starting->started.body)
              .parent;
  return loaded.durable ? &loaded.durable->record.parent : nullptr;
}

} // namespace

turn step_rewind(const durable_partition& durable, volatile_partition& live,
                 const rewind_instance& request,
                 const std::vector<history_event>& history, reply_to from,
                 timestamp now) {
  const loaded_instance loaded = find(durable, live, request.id);
  if (!loaded || (!loaded.durable && !loaded.live->starting))
    return refuse_not_found(from, request.id);
  const runtime_status status = loaded.live->starting
                                  ? runtime_status::pending
                                  : loaded.durable->record.status;
  if (status != runtime_status::failed)
    return refuse(from, errc::not_failed,
                  "Instance \"" + request.id + "\" is " + to_string(status)
                    + "; only a failed one can be rewound.");
  if (const auto* tree
      = find_tree_above(durable.meta.rules, loaded.durable->record.place))
    return refuse(from, errc::not_failed,
                  "Instance \"" + request.id
                    + "\" was not rewound: an ancestor of it in the tree of \""
                    + tree->top.root + "\" was terminated just now.");
  rewind_plan plan = plan_for(history, *loaded.durable, request.reason);
  if (auto full = full_for_rewind(request.id, *loaded.durable, plan);
      !full.empty())
    return refuse(from, errc::limit_exceeded, std::move(full));
  turn out
    = rewind(durable, live, request.id, loaded, std::move(plan), history, now);
  management_answer answer;
  answer.id = request.id;
  add_answers(out, {from}, answer);
  return out;
}

turn step_child_rewind(const durable_partition& durable,
                       volatile_partition& live, const instance_id& id,
                       const child_rewind& request,
                       const std::vector<history_event>& history,
                       dedup_mark source, timestamp now) {
  const loaded_instance loaded = find(durable, live, id);
  instance_record link;
  link.parent = request.parent;
  const parent_link* parent = starter_of(loaded);
  if (parent == nullptr || *parent != request.parent) {
    turn out = mark_only(source);
    add_child_ended(
      durable, out, link, true, "",
      {"not_found", "sub-orchestration \"" + id + "\" cannot be rewound: it "
                      + (parent == nullptr
                           ? "has been purged"
                           : "was replaced by another instance with its ID")});
    return out;
  }
  if (loaded.live->starting || !is_finished(loaded.durable->record.status))
    return mark_only(source); // the child reports its outcome when it finishes
  const instance_record& record = loaded.durable->record;
  if (const auto* tree = find_tree_above(durable.meta.rules, record.place)) {
    turn out = mark_only(source);
    add_child_ended(
      durable, out, link, true, "",
      {"terminated", "\"" + id + "\" was terminated: " + tree->reason});
    return out;
  }
  if (record.status == runtime_status::failed) {
    rewind_plan plan = plan_for(history, *loaded.durable, request.reason);
    if (auto full = full_for_rewind(id, *loaded.durable, plan); !full.empty()) {
      turn out = mark_only(source);
      add_child_ended(durable, out, link, true, "",
                      {"limit_exceeded", std::move(full)});
      return out;
    }
    turn out = rewind(durable, live, id, loaded, std::move(plan), history, now);
    out.sources.push_back(source);
    return out;
  }
  turn out = mark_only(source);
  if (record.output_event < history.size()) {
    const history_body& body = history[record.output_event].body;
    if (const auto* ended = std::get_if<execution_completed>(&body))
      add_child_ended(durable, out, link, false, ended->result, {});
    else if (const auto* cut = std::get_if<execution_terminated>(&body))
      add_child_ended(
        durable, out, link, true, "",
        {"terminated", "\"" + id + "\" was terminated: " + plain_reason(*cut)});
  }
  return out;
}

} // namespace perdura::actors
