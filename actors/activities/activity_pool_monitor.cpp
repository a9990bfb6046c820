// SPDX-License-Identifier: Apache-2.0
// The part of activity_pool that its monitor thread runs: time-outs, and
// workers whose activities are slow. Also the cancellation from outside.
#include "actors/activities/activity_pool.hpp"
#include "actors/activities/activity_results.hpp"
#include "actors/execution/work_guard.hpp"
#include "persistence/process/thread_role.hpp"
#include <perdura/persistence/records/time_arithmetic.hpp>

#include <algorithm>
#include <utility>

namespace perdura::actors {

using namespace persistence;

namespace {

// An activity that runs for longer than this is slow: another worker then runs
// the queued activities. While items are queued, the monitor examines the
// workers at intervals of this length. Waking the monitor thread takes about 10
// us, one hundredth of the interval.
constexpr std::chrono::milliseconds slow_after{1};

// The longest sleep of the monitor. It is measured by a clock that stands still
// while the machine is suspended, unlike the time-outs.
constexpr std::chrono::minutes sleep_max{1};

} // namespace

/// Wakes the monitor if it sleeps until a time-out or without a limit.
void activity_pool::wake_monitor() {
  if (!std::exchange(monitor_sleeps_, false))
    return; // the monitor is awake and examines the queue soon
  monitor_wake_.notify_one();
}

/// The loop of the monitor thread.
void activity_pool::run_monitor() {
  persistence::enter_thread_role("act-monitor");
  std::unique_lock lock(mutex_);
  while (!closed_) {
    ++examinations_;
    const boot_time now = dependencies_.clock->since_boot();
    end_unused_workers(now);
    std::vector<std::pair<instance_id, std::string>> withdrawn;
    std::vector<activity_result> late = expire(now, withdrawn);
    std::vector<assignment> assignments = assign_for_slow_workers();
    if (!late.empty() || !assignments.empty()) {
      monitor_delivers_ = !late.empty();
      lock.unlock();
      if (dependencies_.guard != nullptr)
        for (const auto& [instance, name] : withdrawn)
          dependencies_.guard->withdraw(work_kind::activity, instance, name);
      for (activity_result& one : late)
        dependencies_.deliver(std::move(one));
      for (assignment& one : assignments)
        send_assignment(std::move(one.item), one.worker);
      lock.lock();
      monitor_delivers_ = false;
      if (busy_ == 0 || stops_)
        became_idle_.notify_all();
      continue;
    }
    // The monitor examines the workers at intervals only if an item may start
    // and another worker is available; otherwise it sleeps until the next
    // time-out. A worker that ends its run takes the next item itself, or wakes
    // the monitor.
    monitor_sleeps_ = queue_.startable() == 0 || !has_free_worker();
    const auto is_called = [this] { return closed_ || !monitor_sleeps_; };
    if (!monitor_sleeps_)
      monitor_wake_.wait_for(lock, slow_after, [this] { return closed_; });
    else
      monitor_wake_.wait_for(lock, monitor_sleep_time(), is_called);
  }
}

/// Returns the time until the next time-out, and at most until unused workers
/// are looked for again.
std::chrono::nanoseconds activity_pool::monitor_sleep_time() const {
  const std::chrono::nanoseconds longest
    = std::min<std::chrono::nanoseconds>(sleep_max, options_.worker_idle_time);
  const auto first = next_deadline();
  if (!first)
    return longest;
  const duration left
    = saturated_difference(*first, dependencies_.clock->since_boot());
  return std::min<std::chrono::nanoseconds>(longest,
                                            bounded_wait(left) + duration(100));
}

/// Ends the workers that had no item during the last `worker_idle_time`: those
/// that have been idle longest, as workers are reused in the opposite order.
void activity_pool::end_unused_workers(boot_time now) {
  if (now - idle_counted_at_ < options_.worker_idle_time)
    return;
  const auto unused = idle_.begin() + static_cast<std::ptrdiff_t>(idle_min_);
  std::for_each(idle_.begin(), unused,
                [this](const idle_worker& one) { end_worker(one); });
  idle_.erase(idle_.begin(), unused);
  idle_min_ = idle_.size();
  idle_counted_at_ = now;
}

/// Marks a worker as slow if it has been in the same run since the previous
/// call. If all busy workers are slow, assigns queued items to as many further
/// workers as are busy, so that the number of busy workers doubles. Otherwise
/// assigns at most one item to a further worker.
std::vector<activity_pool::assignment>
activity_pool::assign_for_slow_workers() {
  for (const auto& state : worker_states_) {
    if (state->run != 0 && state->run == state->seen && !state->is_slow) {
      state->is_slow = true;
      ++slow_;
    }
    state->seen = state->run;
  }
  std::vector<assignment> assignments;
  if (busy_ == slow_) {
    const std::size_t most = std::max<std::size_t>(busy_, 1);
    while (assignments.size() < most && assign_next(assignments)) {
    }
  } else if (wants_another_worker()) {
    assign_next(assignments);
  }
  return assignments;
}

/// Returns the earliest time-out of a running or queued item, if there is one.
std::optional<boot_time> activity_pool::next_deadline() const {
  std::optional<boot_time> first;
  const auto sooner = [&](const std::optional<boot_time>& deadline) {
    if (deadline && (!first || *deadline < *first))
      first = deadline;
  };
  if (deadlines_ > 0)
    for (const auto& state : worker_states_)
      if (state->run != 0 && !state->abandoned)
        sooner(state->deadline);
  sooner(queue_.next_start_by());
  return first;
}

/// Appends the queued items among them to `withdrawn`. Returns "timed_out"
/// results for running and queued items whose time-outs
/// have passed. A running activity cannot be stopped: its cancellation is
/// requested, its outcome will be dropped, and its worker is free when it
/// returns.
std::vector<activity_result> activity_pool::expire(
  boot_time now, std::vector<std::pair<instance_id, std::string>>& withdrawn) {
  std::vector<activity_result> late;
  if (deadlines_ > 0)
    for (const auto& state : worker_states_) {
      if (state->run == 0 || state->abandoned || !state->deadline
          || *state->deadline > now)
        continue;
      give_up(*state);
      late.push_back(timed_out(state->item, state->item.time_out,
                               "the activity did not end"));
    }
  for (const activity_work_item& item : queue_.pop_expired(now)) {
    late.push_back(
      timed_out(item, item.start_time_out, "no worker was free to start it"));
    withdrawn.emplace_back(item.instance, item.name);
  }
  return late;
}

void activity_pool::cancel(const instance_id& instance,
                           const execution_id& execution, bool drops) {
  const std::lock_guard lock(mutex_);
  queue_.remove(instance, execution, !drops);
  for (const auto& state : worker_states_)
    if (state->run != 0 && state->item.instance == instance
        && state->item.execution == execution)
      state->cancelled->store(true);
  if (busy_ == 0 && queue_.size() == 0 && waiting_.empty())
    return;
  if (cancelled_.size() >= cancelled_max)
    cancelled_.clear();
  cancelled_.emplace(instance, execution);
}

/// Drops the run of the worker. Its code still runs, and may never return, so
/// the run counts no longer in the limits of the pool. It still counts in the
/// limit of its name, which may protect what the code uses.
void activity_pool::give_up(worker_state& state) {
  state.abandoned = true;
  state.cancelled->store(true);
  if (!std::exchange(state.is_slow, true))
    ++slow_;
  if (extra_ < options_.given_up_max) {
    state.is_extra = true;
    ++extra_;
  }
}

} // namespace perdura::actors
