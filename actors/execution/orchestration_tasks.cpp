// SPDX-License-Identifier: Apache-2.0
#include "actors/execution/orchestration_engine.hpp"

#include <utility>

// The part of orchestration_engine that suspends and resumes coroutines: the
// orchestrator, and the tasks of when_all and when_any, which run side by side.

namespace perdura::actors {

using place = detail::wait_entry::place;

void orchestration_engine::link_waiter(slot_id id,
                                       detail::promise_base& waiter) noexcept {
  orchestration_slot& slot = slots_[id];
  detail::wait_entry& entry = waiter.wait;
  entry.slot = id;
  entry.in = place::slot;
  entry.previous = nullptr;
  entry.next = std::exchange(slot.waiters, &waiter);
  if (entry.next != nullptr)
    entry.next->wait.previous = &waiter;
  if (slot.done)
    wake_waiters(id);
}

/// Removes the coroutine from the list that it is in.
void orchestration_engine::unlink_waiter(
  detail::promise_base& waiter) noexcept {
  detail::wait_entry& entry = waiter.wait;
  detail::promise_base*& first
    = entry.in == place::ready ? suspended_.ready : slots_[entry.slot].waiters;
  (entry.previous != nullptr ? entry.previous->wait.next : first) = entry.next;
  if (entry.next != nullptr)
    entry.next->wait.previous = entry.previous;
  entry.previous = nullptr;
  entry.next = nullptr;
  entry.in = place::none;
}

/// Moves the coroutines that wait for the slot to the list of those that are
/// ready. The newest comes first, so each of the others is inserted near the
/// beginning.
void orchestration_engine::wake_waiters(slot_id id) noexcept {
  while (detail::promise_base* const waiter = slots_[id].waiters) {
    unlink_waiter(*waiter);
    detail::promise_base* before = nullptr;
    detail::promise_base* after = suspended_.ready;
    while (after != nullptr && after->wait.order < waiter->wait.order)
      before = std::exchange(after, after->wait.next);
    waiter->wait.previous = before;
    waiter->wait.next = after;
    waiter->wait.in = place::ready;
    (before != nullptr ? before->wait.next : suspended_.ready) = waiter;
    if (after != nullptr)
      after->wait.previous = waiter;
  }
}

void orchestration_engine::begin_wait(detail::promise_base& waiter) noexcept {
  waiter.wait.order = ++suspended_.order;
  ++suspended_.waiting;
}

bool orchestration_engine::finish_wait(slot_id id,
                                       detail::promise_base& waiter) noexcept {
  if (slots_[id].done) {
    --suspended_.waiting;
    return false;
  }
  link_waiter(id, waiter);
  return true;
}

void orchestration_engine::suspend_on(slot_id id,
                                      detail::promise_base& waiter) {
  begin_wait(waiter);
  link_waiter(id, waiter);
}

void orchestration_engine::deregister(detail::promise_base& waiter) noexcept {
  if (waiter.wait.in == place::none)
    return;
  unlink_waiter(waiter);
  --suspended_.waiting;
}

void orchestration_engine::continue_with(
  std::coroutine_handle<> next) noexcept {
  suspended_.next = next;
}

// The registration is removed first, because the coroutine may register again.
void orchestration_engine::resume() {
  detail::promise_base& first = *suspended_.ready;
  deregister(first);
  suspended_.running = first.chain;
  run(first.self);
}

void orchestration_engine::run(std::coroutine_handle<> frame) {
  // A coroutine that ends sets its parent in `suspended_.next` instead of
  // resuming the parent itself, so the stack does not grow.
  suspended_.next = frame;
  while (suspended_.next)
    std::exchange(suspended_.next, nullptr).resume();
}

// A coroutine that ends while `start_task` runs it is either the task, which
// has no parent to continue, or was awaited by a coroutine that is still in its
// await_suspend and continues by itself. So nothing is set in
// `suspended_.next`.
slot_id orchestration_engine::start_task(detail::promise_base& task) {
  const slot_id id = add(task_slot());
  task.engine = this;
  task.chain = id;
  ++suspended_.tasks;
  const slot_id outer = std::exchange(suspended_.running, id);
  task.self.resume();
  suspended_.running = outer;
  return id;
}

void orchestration_engine::end_task(detail::promise_base& ended) noexcept {
  std::get<task_slot>(slots_[ended.chain].body).error = ended.error;
  --suspended_.tasks;
  complete_slot(ended.chain);
}

void orchestration_engine::abandon_task(slot_id id) noexcept {
  if (slots_[id].done)
    return;
  // The group of the task is completed or destroyed too: no one waits for it.
  slots_[id].done = true;
  --suspended_.tasks;
  const std::vector<slot_id> opened
    = std::move(std::get<task_slot>(slots_[id].body).opened);
  for (const slot_id one : opened)
    cancel(one);
}

/// Notes a timer or a wait for an event that the code of a task requests.
void orchestration_engine::note_opened(slot_id id) {
  if (suspended_.running != no_slot)
    std::get<task_slot>(slots_[suspended_.running].body).opened.push_back(id);
}

} // namespace perdura::actors
