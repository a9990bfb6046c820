#include "actors/execution/orchestration_engine.hpp"

#include <algorithm>
#include <utility>

// What comes in: a message finds the task or the wait that it belongs to.

namespace perdura::actors {

namespace {

timestamp later(timestamp from, duration by) {
  if (by >= timer_fire_at_max - from)
    return timer_fire_at_max;
  return std::max(from, from + by);
}

} // namespace

std::string orchestration_engine::event_key(std::string_view name) {
  std::string text(name);
  for (char& c : text)
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char>(c - 'A' + 'a');
  return text;
}

void orchestration_engine::deliver(history_event event,
                                   inbox_sequence sequence) {
  if (auto* raised = std::get_if<event_raised>(&event.body)) {
    raise(std::move(*raised), event.time, sequence);
    return;
  }
  const std::uint64_t ordinal = next_ordinal_++;
  if (sequence != 0)
    turn_.taken.push_back({ordinal, sequence});
  if (closed_)
    return;
  if (auto* x = std::get_if<task_completed>(&event.body))
    succeed(x->sequence, slot_kind::activity, std::move(x->result));
  else if (auto* f = std::get_if<persistence::task_failed>(&event.body))
    fail(f->sequence, slot_kind::activity, std::move(f->failure));
  else if (auto* t = std::get_if<timer_fired>(&event.body))
    fire(t->sequence);
  else if (auto* c
           = std::get_if<sub_orchestration_instance_completed>(&event.body))
    succeed(c->sequence, slot_kind::child, std::move(c->result));
  else if (auto* d
           = std::get_if<sub_orchestration_instance_failed>(&event.body))
    fail(d->sequence, slot_kind::child, std::move(d->failure));
}

orchestration_engine::slot_id
orchestration_engine::slot_of(task_sequence sequence) const {
  return sequence < slots_by_sequence_.size() ? slots_by_sequence_[sequence]
                                              : no_slot;
}

/// The slot whose open task has this number, or had it before a rewind gave
/// the task a new one. Null: nobody wants the message.
orchestration_engine::slot*
orchestration_engine::open_task(task_sequence sequence) {
  for (auto it = reruns_.find(sequence); it != reruns_.end();
       it = reruns_.find(sequence))
    sequence = it->second;
  const slot_id id = slot_of(sequence);
  if (id == no_slot || slots_[id].done || slots_[id].sequence != sequence)
    return nullptr;
  return &slots_[id];
}

void orchestration_engine::succeed(task_sequence sequence, slot_kind kind,
                                   std::string result) {
  slot* open = open_task(sequence);
  if (!open || open->kind != kind || (open->retry && open->retry->pausing))
    return;
  open->result = std::move(result);
  settle(slot_of(open->sequence));
}

void orchestration_engine::fail(task_sequence sequence, slot_kind kind,
                                failure_details failure) {
  slot* open = open_task(sequence);
  if (!open || open->kind != kind || (open->retry && open->retry->pausing))
    return;
  const slot_id id = slot_of(open->sequence);
  open->failed_as = sequence;
  if (open->retry && retry(id, failure))
    return;
  open->failed = true;
  open->failure_type = std::move(failure.type);
  open->result = std::move(failure.message);
  settle(id);
}

/// The policy's part: a timer before the next attempt, or no.
bool orchestration_engine::retry(slot_id id, const failure_details& failure) {
  slot& failed = slots_[id];
  call& again = *failed.retry;
  const retry_options& policy = again.options.retry;
  if (again.attempt >= static_cast<std::uint32_t>(policy.attempts_max))
    return false;
  const timestamp at = later(now_, interval_after(policy, again.attempt));
  if (policy.time_out > duration::zero()
      && at > later(again.first_at, policy.time_out))
    return false;
  if (policy.handle) {
    try {
      if (!policy.handle(task_failed(failed.kind == slot_kind::child
                                       ? task_failed::callee::sub_orchestration
                                       : task_failed::callee::activity,
                                     failed.name, failure.type,
                                     failure.message)))
        return false;
    } catch (...) {
      return false; // no answer: the failure goes to the code
    }
  }
  turn_.failures_taken.push_back(failed.failed_as);
  again.pausing = true;
  track(decide(timer_created{0, at}), id);
  return true;
}

void orchestration_engine::attempt_again(slot_id id) {
  call& again = *slots_[id].retry;
  again.pausing = false;
  ++again.attempt;
  if (slots_[id].kind == slot_kind::activity)
    schedule_activity(id, again.input, again.options, again.attempt);
  else
    create_child(id, again.input, again.version, again.instance);
}

void orchestration_engine::fire(task_sequence sequence) {
  const slot_id id = slot_of(sequence);
  if (id == no_slot || slots_[id].sequence != sequence)
    return;
  slot& due = slots_[id];
  if (due.retry) {
    if (!due.done && due.retry->pausing)
      attempt_again(id);
    return;
  }
  if (due.kind != slot_kind::timer)
    return;
  due.fired = true;
  if (due.done)
    return;
  settle(id);
  if (due.other == no_slot)
    return;
  slot& wait = slots_[due.other];
  wait.timed_out = true;
  close_wait(wait);
  settle(due.other);
}

void orchestration_engine::raise(event_raised raised, timestamp time,
                                 inbox_sequence sequence) {
  event_queue& queue = events_[event_key(raised.name)];
  buffered_event event{next_ordinal_++, sequence, time, std::move(raised)};
  while (!queue.waits.empty() && slots_[queue.waits.front()].done)
    queue.waits.pop_front();
  if (closed_ || queue.waits.empty()) {
    queue.buffered.push_back(std::move(event));
    return;
  }
  const slot_id wait = queue.waits.front();
  queue.waits.pop_front();
  bind(wait, std::move(event));
}

void orchestration_engine::bind(slot_id id, buffered_event event) {
  slot& wait = slots_[id];
  if (event.sequence != 0)
    turn_.taken.push_back({event.ordinal, event.sequence});
  wait.ordinal = event.ordinal;
  wait.time = event.time;
  wait.name = std::move(event.raised.name);
  wait.result = std::move(event.raised.input);
  close_wait(wait);
  if (wait.other != no_slot)
    cancel_timer(wait.other);
  settle(id);
}

void orchestration_engine::close_wait(const slot& wait) {
  if (wait.turn != turn_count_)
    turn_.waits_closed.push_back(wait.sequence);
}

void orchestration_engine::cancel_timer(slot_id id) {
  slot& timer = slots_[id];
  if (timer.done)
    return;
  timer.cancelled = true;
  turn_.timers_cancelled.push_back(timer.sequence);
  settle(id);
}

void orchestration_engine::cancel(slot_id id) {
  slot& unwanted = slots_[id];
  if (unwanted.done)
    return;
  if (unwanted.kind == slot_kind::timer) {
    cancel_timer(id);
  } else if (unwanted.kind == slot_kind::event) {
    unwanted.cancelled = true;
    close_wait(unwanted);
    if (unwanted.other != no_slot)
      cancel_timer(unwanted.other);
    settle(id);
  }
}

void orchestration_engine::settle(slot_id id) {
  slots_[id].done = true;
  const std::vector<membership> groups = std::move(slots_[id].groups);
  slots_[id].groups.clear();
  for (const membership& in : groups) {
    slot& group = slots_[in.group];
    if (group.done)
      continue;
    if (group.kind == slot_kind::all) {
      if (--group.open == 0)
        settle(in.group);
      continue;
    }
    group.open = in.index;
    for (slot_id member : group.members)
      leave_group(member, in.group);
    settle(in.group);
  }
}

/// Keeps a member that takes part in one race after the other from
/// remembering them all. The newest stands last.
void orchestration_engine::leave_group(slot_id member, slot_id group) {
  std::vector<membership>& groups = slots_[member].groups;
  auto it
    = std::find_if(groups.rbegin(), groups.rend(),
                   [&](const membership& in) { return in.group == group; });
  if (it != groups.rend())
    groups.erase(std::next(it).base());
}

} // namespace perdura::actors
