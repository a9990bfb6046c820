#include "actors/authoring/json_text_check.hpp"
#include "actors/partition/steps.hpp"

#include <algorithm>

namespace perdura::actors {

namespace {

/// What the instance's output says of a failure.
/// @source Durable Functions' wording.
std::string failure_sentence(const std::string& name,
                             const failure_details& failure) {
  return "Orchestrator function '" + name + "' failed: " + failure.message;
}

/// A turn that is being put together from what came back.
struct turn_in_progress {
  partition_state& state;
  const instance_id& id;
  live_instance& live;
  turn_outcome& outcome;
  timestamp now;
  instance_draft draft;
  turn out;
  bool starting = false;
  bool suspended = false;

  void set_status(runtime_status status) {
    instance_record& record = draft.record();
    (suspended && !is_finished(status) ? record.status_resumed : record.status)
      = status;
  }
};

void answer_message(turn_in_progress& t, arrived_message& message,
                    errc code = errc::ok, const std::string& why = {}) {
  management_answer answer;
  answer.code = code;
  answer.message = why;
  answer.id = t.id;
  t.draft.remember(message.request, answer);
  add_answers(t.out, message.replies, answer);
  if (message.source)
    t.out.sources.push_back(*message.source);
}

void answer_start(turn_in_progress& t) {
  add_start_answers(t.out, t.draft, t.id, *t.live.starting, true);
  t.live.starting.reset();
}

/// The messages that the code has taken enter history, in order.
void take_messages(turn_in_progress& t) {
  auto& arrived = t.live.arrived;
  for (const inbox_sequence sequence : t.outcome.taken) {
    history_event event;
    auto it = std::find_if(arrived.begin(), arrived.end(),
                           [&](const arrived_message& message) {
                             return message.sequence == sequence;
                           });
    if (it != arrived.end()) {
      answer_message(t, *it);
      event = std::move(it->event);
      it->sequence = 0; // taken: swept below, in one pass
    } else {
      if (t.starting)
        continue;
      auto row = t.live.stored->inbox.find(sequence);
      if (row == t.live.stored->inbox.end())
        continue;
      event = row->second.event;
      t.draft.take_inbox(sequence);
    }
    if (auto task = task_of(event.body))
      t.draft.close(*task);
    t.draft.append(event.time, std::move(event.body));
  }
  std::erase_if(arrived, [](const arrived_message& message) {
    return message.sequence == 0;
  });
}

void decide(turn_in_progress& t, task_scheduled& x) {
  activity_work_item item;
  item.partition = t.state.config.id;
  item.instance = t.id;
  item.execution = t.draft.record().execution;
  item.sequence = x.sequence;
  item.name = x.name;
  item.input = x.input;
  item.attempt = x.attempt;
  item.time_out = x.time_out;
  item.start_time_out = x.start_time_out;
  open_task task{task_kind::activity, x.name, {}, {}, 0, x.attempt};
  const task_sequence sequence = x.sequence;
  task.scheduled_event = t.draft.append(t.now, std::move(x));
  t.draft.open(sequence, std::move(task));
  t.out.effects.push_back(activity_effect{std::move(item)});
  ++t.state.counters.activities;
}

void decide(turn_in_progress& t, timer_created& x) {
  open_task task{task_kind::timer, {}, x.fire_at, {}, 0, 1};
  const task_sequence sequence = x.sequence;
  task.scheduled_event = t.draft.append(t.now, std::move(x));
  t.draft.open(sequence, std::move(task));
}

void decide(turn_in_progress& t, sub_orchestration_instance_created& x) {
  add_outbox(
    t.state, t.out, x.instance,
    child_start{x.name, x.version, x.input,
                parent_link{t.id, t.draft.record().execution, x.sequence}});
  open_task task{task_kind::sub_orchestration, x.name, {}, x.instance, 0, 1};
  const task_sequence sequence = x.sequence;
  task.scheduled_event = t.draft.append(t.now, std::move(x));
  t.draft.open(sequence, std::move(task));
}

void decide(turn_in_progress& t, event_sent& x) {
  add_outbox(t.state, t.out, x.instance, event_send{x.name, x.input});
  t.draft.append(t.now, std::move(x));
}

void take_decisions(turn_in_progress& t) {
  for (decision& one : t.outcome.decisions)
    std::visit(
      [&](auto& x) {
        if constexpr (requires { decide(t, x); })
          decide(t, x);
      },
      one);
}

/// Stops holding what only a live execution can use.
void sweep_results(turn_in_progress& t) {
  for (const auto& [sequence, event] : t.draft.inbox())
    if (task_of(event.body))
      t.draft.take_inbox(sequence);
}

void finish_turn(turn_in_progress& t) {
  t.draft.append(t.now,
                 orchestrator_completed{std::move(t.outcome.failures_taken)});
}

void end_run(turn_in_progress& t) {
  t.live.warm = false;
  t.live.delivered = 0;
  t.live.first_history.clear();
  t.state.dropped.push_back(t.id);
}

/// What is left on the desk when the instance has ended: the end came first.
void refuse_leftovers(turn_in_progress& t, bool keep_results) {
  const std::string why = "Instance \"" + t.id + "\" is "
                          + name_of(t.draft.record().status)
                          + "; nothing can reach it any more.";
  for (arrived_message& message : t.live.arrived) {
    if (!task_of(message.event.body)) {
      answer_message(t, message, errc::already_finished, why);
      continue;
    }
    if (message.source)
      t.out.sources.push_back(*message.source);
    if (keep_results)
      t.draft.put_inbox(message.sequence, std::move(message.event));
    else
      ++t.state.counters.results_stale;
  }
  t.live.arrived.clear();
}

void complete(turn_in_progress& t, completed_result& result) {
  t.draft.close_all();
  sweep_results(t);
  instance_record& record = t.draft.record();
  record.output_event = t.draft.append(
    t.now,
    execution_completed{completion_status::completed, result.result, {}});
  t.set_status(runtime_status::completed);
  record.ended_at = t.now;
  add_parent_news(t.state, t.out, record, false, result.result, {});
  finish_turn(t);
  refuse_leftovers(t, false);
  end_run(t);
  ++t.state.counters.completed;
}

/// Tasks stay open: what is still running may be wanted after a rewind.
void fail(turn_in_progress& t, const failure_details& failure) {
  instance_record& record = t.draft.record();
  const std::string sentence = failure_sentence(record.name, failure);
  record.output_event = t.draft.append(
    t.now, execution_completed{completion_status::failed, json_string(sentence),
                               failure});
  t.set_status(runtime_status::failed);
  record.ended_at = t.now;
  add_parent_news(t.state, t.out, record, true, "", {failure.type, sentence});
  finish_turn(t);
  refuse_leftovers(t, true);
  end_run(t);
  ++t.state.counters.failed;
  t.out.effects.push_back(
    log_effect{3, "instance \"" + t.id + "\": " + sentence});
}

/// The events that the next execution begins with, in order of name; those
/// that came while the turn was out stay on the desk for it.
void carry_events(turn_in_progress& t, continued_result& result) {
  auto& arrived = t.live.arrived;
  std::vector<history_event> left = std::move(result.carried);
  const bool renumber = !left.empty();
  for (auto& [sequence, event] : t.draft.inbox()) {
    const bool result_of_old = task_of(event.body).has_value();
    if (renumber || result_of_old || !result.keep_events)
      t.draft.take_inbox(sequence);
    if (renumber && !result_of_old && result.keep_events)
      left.push_back(std::move(event));
  }
  std::vector<arrived_message> later;
  for (arrived_message& message : arrived) {
    if (task_of(message.event.body)) {
      if (message.source)
        t.out.sources.push_back(*message.source);
      ++t.state.counters.results_stale;
    } else if (!message.in_turn) {
      later.push_back(std::move(message));
    } else {
      answer_message(t, message);
      if (!result.keep_events)
        ++t.state.counters.events_discarded;
      else if (renumber)
        left.push_back(std::move(message.event));
      else
        t.draft.put_inbox(message.sequence, std::move(message.event));
    }
  }
  if (renumber) {
    for (history_event& event : left)
      t.draft.put_inbox(t.live.next_inbox++, std::move(event));
    for (arrived_message& message : later)
      message.sequence = t.live.next_inbox++;
  }
  arrived = std::move(later);
}

void continue_anew(turn_in_progress& t, continued_result& result) {
  carry_events(t, result);
  instance_record& record = t.draft.record();
  execution_started started;
  started.name = record.name;
  started.version = record.version;
  started.input = std::move(result.input);
  started.generation = record.generation + 1;
  started.execution = next_execution(record.execution, started.generation);
  started.parent = record.parent;
  history_event first{t.now, std::move(started)};
  t.draft.begin_execution(first);
  t.draft.record().status = t.suspended ? runtime_status::suspended
                                        : runtime_status::continued_as_new;
  if (t.suspended)
    t.draft.record().status_resumed = runtime_status::continued_as_new;
  end_run(t);
  t.live.first_history = {std::move(first)};
  make_runnable(t.state, t.id, t.live);
  ++t.state.counters.continued;
}

/// The instance waits on: what the next turn cannot use is stored with this
/// one, the rest stays on the desk for it.
void go_on(turn_in_progress& t) {
  const bool discards = t.state.config.discards_events(t.draft.record().name);
  std::vector<arrived_message> later;
  for (arrived_message& message : t.live.arrived) {
    const auto* raised = std::get_if<event_raised>(&message.event.body);
    const bool awaited
      = raised == nullptr || t.draft.awaits_event(raised->name);
    if (!message.in_turn && awaited && !t.suspended) {
      later.push_back(std::move(message));
      continue;
    }
    answer_message(t, message);
    if (!awaited && discards)
      ++t.state.counters.events_discarded;
    else
      t.draft.put_inbox(message.sequence, std::move(message.event));
  }
  t.live.arrived = std::move(later);
  make_runnable(t.state, t.id, t.live);
}

/// History stays within its limits; a turn that would pass them fails the
/// instance, and its decisions are dropped.
void check_limits(turn_in_progress& t) {
  const instance_record& record = t.draft.record();
  std::uint64_t bytes = record.history_bytes;
  for (const decision& one : t.outcome.decisions)
    bytes += payload_bytes_of(one);
  const std::size_t events
    = record.history_count + t.outcome.decisions.size() + 2;
  if (std::holds_alternative<continued_result>(t.outcome.result)
      || (events <= history_events_max && bytes <= history_bytes_max))
    return;
  t.outcome.decisions.clear();
  t.outcome.result = failed_result{
    {"limit_exceeded",
     events > history_events_max
       ? "the history would pass 50,000 events (history_events_max); use "
         "continue_as_new to begin a new one"
       : "the history would pass 64 MiB (history_bytes_max); use "
         "continue_as_new to begin a new one"}};
}

/// Nothing of the turn counts; what waited for it is stored until code that
/// fits comes back.
turn hold(partition_state& state, const instance_id& id, live_instance& live,
          const held_result& held, timestamp now) {
  turn out = step_settle(state, id, live, now);
  instance_record& record = *out.writes.instances.front().record;
  record.turn_due = true;
  record.held = held.reason.message;
  live.warm = false;
  live.delivered = 0;
  live.held_here = true;
  state.dropped.push_back(id);
  out.effects.push_back(
    log_effect{4, "instance \"" + id + "\" is held: " + held.reason.message});
  return out;
}

} // namespace

std::optional<orchestration_work_item>
next_turn(const instance_id& id, live_instance& live, timestamp now) {
  if (live.turn_out || live.held_here)
    return std::nullopt;
  bool due = live.starting || live.start_due;
  if (!live.starting) {
    if (!live.stored)
      return std::nullopt;
    const instance_record& record = live.stored->record;
    if (is_finished(record.status)
        || record.status == runtime_status::suspended)
      return std::nullopt;
    due = due || (record.turn_due && !live.warm);
  }

  const inbox_sequence seen = live.warm ? live.delivered : 0;
  std::vector<delivery> deliveries;
  const auto offer = [&](inbox_sequence sequence, const history_event& event) {
    if (sequence <= seen)
      return;
    due = due
          || (live.stored && !live.starting
              && live.stored->record.status != runtime_status::pending
              && is_deliverable(*live.stored, event));
    deliveries.push_back({sequence, event});
  };
  if (live.stored && !live.starting)
    for (auto it = live.stored->inbox.upper_bound(seen);
         it != live.stored->inbox.end(); ++it)
      offer(it->first, it->second.event);
  for (const arrived_message& message : live.arrived)
    offer(message.sequence, message.event);
  if (!due)
    return std::nullopt;

  orchestration_work_item item;
  item.instance = id;
  item.number = ++live.number;
  item.now = now;
  item.cold = !live.warm;
  if (live.starting) {
    item.history = {live.starting->started};
    item.execution
      = std::get<execution_started>(live.starting->started.body).execution;
  } else {
    item.execution = live.stored->record.execution;
    if (item.cold)
      item.history = std::move(live.first_history);
  }
  live.first_history.clear();
  std::sort(deliveries.begin(), deliveries.end(),
            [](const delivery& a, const delivery& b) {
              return a.sequence < b.sequence;
            });
  if (!deliveries.empty())
    live.delivered = deliveries.back().sequence;
  item.deliveries = std::move(deliveries);
  for (arrived_message& message : live.arrived)
    message.in_turn = true;
  live.turn_out = true;
  live.stuck_named = false;
  live.turn_now = now;
  live.warm = true;
  return item;
}

turn step_turn_completed(partition_state& state, turn_outcome outcome,
                         timestamp now) {
  live_instance* live = state.find(outcome.instance);
  if (live == nullptr || !live->turn_out || live->number != outcome.number)
    return {}; // void: the instance was terminated, replaced or purged
  live->turn_out = false;
  ++state.counters.turns;
  const instance_id id = outcome.instance;
  if (auto* held = std::get_if<held_result>(&outcome.result)) {
    if (!state.config.nondeterminism_fails
        || held->reason.code != errc::nondeterministic)
      return hold(state, id, *live, *held, now);
    outcome.result = failed_result{{"nondeterministic", held->reason.message}};
  }

  turn_in_progress t{state,
                     id,
                     *live,
                     outcome,
                     now,
                     live->starting ? instance_draft(id, *live->starting)
                                    : instance_draft(id, *live->stored),
                     {},
                     live->starting.has_value()};
  t.suspended = t.draft.record().status == runtime_status::suspended;
  t.draft.record().held.clear();
  t.draft.append(live->turn_now, orchestrator_started{});
  if (live->starting)
    answer_start(t);
  else
    t.draft.close(start_sequence);
  live->start_due = false;
  take_messages(t);
  check_limits(t);

  const bool failed = std::holds_alternative<failed_result>(outcome.result);
  for (const task_sequence sequence : outcome.waits_closed)
    t.draft.close(sequence);
  for (const task_sequence sequence : outcome.orphans)
    t.draft.close(sequence);
  take_decisions(t);
  // A failed turn may be run again, and then decide otherwise: its waits are
  // not opened and its timers go on.
  if (!failed) {
    for (const task_sequence sequence : outcome.timers_cancelled)
      t.draft.close(sequence);
    for (wait_opened& wait : outcome.waits_opened)
      t.draft.open(wait.sequence,
                   {task_kind::event_wait, std::move(wait.name), {}, {}, 0, 1});
  }
  if (outcome.custom_status)
    t.draft.set_custom_status(std::move(*outcome.custom_status));
  t.draft.record().next_sequence = outcome.next_sequence;

  if (auto* x = std::get_if<completed_result>(&outcome.result)) {
    complete(t, *x);
  } else if (auto* y = std::get_if<failed_result>(&outcome.result)) {
    fail(t, y->failure);
  } else if (auto* z = std::get_if<continued_result>(&outcome.result)) {
    continue_anew(t, *z);
  } else {
    t.set_status(runtime_status::running);
    finish_turn(t);
    go_on(t);
  }
  instance_record& record = t.draft.record();
  record.next_inbox = std::max(record.next_inbox, live->next_inbox);
  record.turn_due
    = std::holds_alternative<continued_result>(outcome.result)
      || (!is_finished(record.status) && t.draft.has_deliverable());
  add_waiters(state, t.out, id, is_finished(record.status));
  t.out.writes.instances.push_back(std::move(t.draft).finish(now));
  return std::move(t.out);
}

} // namespace perdura::actors
