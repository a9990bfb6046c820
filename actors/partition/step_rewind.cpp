// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/steps.hpp"

#include <unordered_map>
#include <unordered_set>

namespace perdura::actors {

using namespace persistence;

namespace {

/// The changes that a rewind makes to a failed history. The failing
/// execution_completed becomes void, and so does every task failure except
/// those that the code received in a turn before the one that failed.
struct rewind_plan {
  execution_rewound event;
  /// Index of the event that scheduled each task or child, by sequence.
  std::unordered_map<task_sequence, event_index> scheduled;
  /// Maps the sequence of a rerun to the sequence of the task it repeats.
  std::unordered_map<task_sequence, task_sequence> origin;
  /// Sequences of the failed sub-orchestrations to rewind.
  std::vector<task_sequence> children;

  /// Returns the index of the event that scheduled the task. The history
  /// contains no such event for a rerun; the event of the original task is
  /// returned instead.
  const event_index* scheduled_event_of(task_sequence sequence) const {
    for (auto it = origin.find(sequence); it != origin.end();
         it = origin.find(sequence))
      sequence = it->second;
    auto found = scheduled.find(sequence);
    return found == scheduled.end() ? nullptr : &found->second;
  }
};

/// Facts about a history, collected before the plan is made.
struct history_scan {
  /// Events that earlier rewinds have made void.
  std::unordered_set<event_index> voided;
  /// First events of the turns that earlier rewinds have made void.
  std::unordered_set<event_index> turns_voided;
  /// Tasks whose failures the code received in an earlier turn.
  std::unordered_set<task_sequence> handled;
  event_index turn_last = 0; ///< First event of the last turn.
};

/// First pass: collects the effects of earlier rewinds and finds the last
/// turn.
history_scan scan(const std::vector<history_event>& history,
                  rewind_plan& plan) {
  history_scan seen;
  for (event_index i = 0; i < history.size(); ++i) {
    if (const auto* x = std::get_if<execution_rewound>(&history[i].body)) {
      seen.voided.insert(x->voided.begin(), x->voided.end());
      seen.turns_voided.insert(x->turn_first);
      for (const task_rerun& rerun : x->reruns)
        plan.origin[rerun.new_sequence] = rerun.old_sequence;
    } else if (std::holds_alternative<orchestrator_started>(history[i].body)) {
      seen.turn_last = i;
    }
  }
  return seen;
}

/// Second pass: collects the failures that the code received before the last
/// turn.
void scan_handled(const std::vector<history_event>& history,
                  history_scan& seen) {
  event_index turn_first = 0;
  for (event_index i = 0; i < seen.turn_last; ++i) {
    if (std::holds_alternative<orchestrator_started>(history[i].body))
      turn_first = i;
    else if (const auto* x
             = std::get_if<orchestrator_completed>(&history[i].body))
      if (!seen.turns_voided.contains(turn_first))
        seen.handled.insert(x->failures_received.begin(),
                            x->failures_received.end());
  }
}

/// Adds an activity that runs again.
void plan_rerun(rewind_plan& plan, task_sequence old_sequence) {
  // A new sequence gives the rerun a new idempotency key.
  const task_sequence fresh = plan.event.next_sequence++;
  plan.event.reruns.push_back({old_sequence, fresh});
  plan.origin[fresh] = old_sequence;
}

/// Makes the plan for the rewind of a failed instance: which events become
/// void, and which tasks run again.
rewind_plan plan_rewind(const std::vector<history_event>& history,
                        const stored_instance& stored) {
  rewind_plan plan;
  history_scan seen = scan(history, plan);
  scan_handled(history, seen);
  plan.event.turn_first = seen.turn_last;
  plan.event.next_sequence = stored.record.next_sequence;
  for (event_index i = 0; i < history.size(); ++i) {
    if (seen.voided.contains(i))
      continue;
    const history_body& body = history[i].body;
    if (const auto* a = std::get_if<task_scheduled>(&body)) {
      plan.scheduled[a->sequence] = i;
    } else if (const auto* b
               = std::get_if<sub_orchestration_instance_created>(&body)) {
      plan.scheduled[b->sequence] = i;
    } else if (const auto* c = std::get_if<task_failed>(&body)) {
      if (seen.handled.contains(c->sequence))
        continue;
      plan.event.voided.push_back(i);
      plan_rerun(plan, c->sequence);
    } else if (const auto* d
               = std::get_if<sub_orchestration_instance_failed>(&body)) {
      if (seen.handled.contains(d->sequence))
        continue;
      plan.event.voided.push_back(i);
      plan.children.push_back(d->sequence);
    } else if (std::holds_alternative<execution_completed>(body)) {
      plan.event.voided.push_back(i);
    }
  }
  return plan;
}

/// Removes the failures that arrived after the instance had failed: the code
/// never received them. Their tasks run again too.
void void_stored_failures(instance_draft& draft, rewind_plan& plan) {
  for (const auto& [sequence, event] : draft.inbox()) {
    if (const auto* a = std::get_if<task_failed>(&event.body)) {
      draft.remove_from_inbox(sequence);
      draft.close(a->sequence);
      plan_rerun(plan, a->sequence);
    } else if (const auto* b
               = std::get_if<sub_orchestration_instance_failed>(&event.body)) {
      draft.remove_from_inbox(sequence);
      plan.children.push_back(b->sequence);
    }
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
/// instance has no space for another run of the failed turn. The list of void
/// events is shorter than the history, so its size needs no plan.
std::string full_for_rewind(const instance_id& id,
                            const stored_instance& stored,
                            const std::string& reason) {
  return full_history_text(id, stored.record, 1,
                           payload_bytes_of(execution_rewound{reason}));
}

/// Rewinds a failed instance. The turn that failed is run again as a cold turn.
turn rewind(const durable_partition& durable, volatile_partition& live,
            const instance_id& id, loaded_instance loaded,
            const std::string& reason,
            const std::vector<history_event>& history, timestamp now) {
  turn out;
  instance_draft draft(id, *loaded.durable);
  rewind_plan plan = plan_rewind(history, *loaded.durable);
  plan.event.reason = reason;
  void_stored_failures(draft, plan);
  open_reruns(durable, live, out, draft, plan, id, history);
  instance_record& record = draft.record();
  record.next_sequence = plan.event.next_sequence;
  record.status = runtime_status::running;
  record.ended_at = {};
  record.output_event = 0;
  record.turn_due = true;
  record.held.clear();
  draft.append(now, std::move(plan.event));
  out.writes.instances.push_back(std::move(draft).finish(now));
  // The next turn is cold: it replays the history without the failed turn.
  loaded.live->warm = false;
  loaded.live->delivered = 0;
  loaded.live->held_in_process = false;
  loaded.live->first_history.clear();
  make_runnable(live, *loaded.live);
  out.effects.push_back(log_effect{
    log_level::info, "instance \"" + id + "\" is rewound: " + reason});
  return out;
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
  if (auto full = full_for_rewind(request.id, *loaded.durable, request.reason);
      !full.empty())
    return refuse(from, errc::limit_exceeded, std::move(full));
  turn out
    = rewind(durable, live, request.id, loaded, request.reason, history, now);
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
    if (auto full = full_for_rewind(id, *loaded.durable, request.reason);
        !full.empty()) {
      turn out = mark_only(source);
      add_child_ended(durable, out, link, true, "",
                      {"limit_exceeded", std::move(full)});
      return out;
    }
    turn out = rewind(durable, live, id, loaded, request.reason, history, now);
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
        {"terminated", "\"" + id + "\" was terminated: " + cut->reason});
  }
  return out;
}

} // namespace perdura::actors
