// SPDX-License-Identifier: Apache-2.0
#include "actors/activities/activity_pool.hpp"

#include "actors/activities/activity_actor.hpp"
#include "persistence/process/guarded_call.hpp"
#include "persistence/process/thread_role.hpp"
#include "persistence/process/thread_start.hpp"
#include <perdura/actors/authoring/registry.hpp>

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

// If the average run time exceeds this, each activity gets a worker at once.
constexpr std::chrono::microseconds long_time{300};

// If the average run time is at most this, and no worker is busy, an activity
// runs *inline*: on a thread of the CAF scheduler, without waking a worker. If
// such an activity blocks, the scheduler replaces the blocked thread.
constexpr std::chrono::microseconds inline_time_max{20};

// No activity runs inline before this many runs have been averaged.
constexpr std::uint64_t inline_runs_min = 64;

// Maximum number of items that run inline in a row; then the thread returns to
// the scheduler.
constexpr std::uint64_t inline_items_max = 16;

// After the system has refused a thread, the pool asks for another one only
// after this time.
constexpr std::chrono::seconds retry_after{10};

// While activities are short, another worker is used only if at least this
// many items are queued for each worker that is not slow.
constexpr std::size_t backlog_min = 16;

/// Returns the result of an item, addressed to the task that it belongs to.
activity_result result_of(const activity_work_item& item,
                          history_body outcome) {
  return {item.partition, item.instance, item.execution, item.sequence,
          std::move(outcome)};
}

/// Returns task_completed or task_failed.
history_body body_of(const activity_work_item& item,
                     activity_outcome&& outcome) {
  if (auto* text = std::get_if<std::string>(&outcome))
    return task_completed{item.sequence, std::move(*text)};
  return persistence::task_failed{
    item.sequence, std::move(std::get<failure_details>(outcome))};
}

/// Returns the failure of an item that has exceeded its time-out `limit`.
/// `what` is the beginning of the sentence, such as "the activity did not end".
activity_result timed_out(const activity_work_item& item, duration limit,
                          const char* what) {
  const auto ms
    = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
  return result_of(item, persistence::task_failed{
                           item.sequence,
                           {"timed_out", std::string(what) + " within "
                                           + std::to_string(ms) + " ms"}});
}

} // namespace

activity_pool::activity_pool(caf::actor_system& system,
                             activity_pool_options options,
                             activity_pool_dependencies dependencies)
  : system_(system),
    options_(options),
    dependencies_(std::move(dependencies)),
    cores_(std::max(1U, std::thread::hardware_concurrency())),
    queue_([this](const std::string& name) -> std::size_t {
      const auto* limits = dependencies_.functions->find_activity_limits(name);
      return limits == nullptr ? 0 : limits->concurrency_max;
    }),
    workers_max_(options.activities_max),
    inline_worker_(system.spawn(activity_behavior, this, true)),
    monitor_([this] { run_monitor(); }) {}

activity_pool::~activity_pool() {
  close();
  {
    std::unique_lock lock(mutex_);
    became_idle_.wait(lock, [this] { return busy_ == 0; });
  }
  monitor_.join();
}

// --- The queue ---------------------------------------------------------------

/// Returns true if the queued items justify one more worker now.
bool activity_pool::wants_another_worker() const {
  const std::size_t working = busy_ - slow_;
  if (working == 0 || average_time_ > long_time)
    return true;
  return working < cores_ && queue_.startable() >= backlog_min * working;
}

/// Returns true if the limits allow one more busy worker.
bool activity_pool::has_free_worker() const {
  return busy_ < options_.activities_max
         && (!idle_.empty() || workers_ < workers_max_);
}

/// Assigns a queued item to one more worker. Returns false if no worker is
/// available within the limits, or if no item may start.
bool activity_pool::assign_next(std::vector<assignment>& assignments) {
  if (busy_ >= options_.activities_max)
    return false;
  if (workers_max_ < options_.activities_max
      && std::chrono::steady_clock::now() - threads_refused_at_ > retry_after)
    workers_max_ = options_.activities_max;
  const bool is_short = busy_ == 0 && last_run_ >= inline_runs_min
                        && average_time_ <= inline_time_max;
  const bool runs_inline = inline_worker_ && inline_worker_is_free_
                           && (is_short || workers_max_ == 0);
  if (!runs_inline && idle_.empty() && workers_ >= workers_max_)
    return false;
  auto item = queue_.pop_startable();
  if (!item)
    return false;
  ++busy_;
  assignment& one = assignments.emplace_back();
  one.item = std::move(*item);
  if (runs_inline) {
    inline_worker_is_free_ = false;
    one.worker = inline_worker_;
  } else if (idle_.empty()) {
    ++workers_;
  } else {
    one.worker = std::move(idle_.back());
    idle_.pop_back();
  }
  return true;
}

/// Sends the item to the worker; creates the worker if `worker` is null. Called
/// without the mutex.
void activity_pool::send_assignment(activity_work_item item,
                                    const activity_actor& worker) {
  if (worker) {
    caf::anon_send(worker, std::move(item));
    return;
  }
  // CAF cannot undo the creation of an actor whose thread is refused.
  if (persistence::available_threads(1) == 1)
    caf::anon_send(system_.spawn<caf::detached>(activity_behavior, this, false),
                   std::move(item));
  else
    assign_without_thread(std::move(item));
}

/// Called instead of the creation of a worker if the system refuses its thread.
/// The item goes back to the front of the queue, from which the other workers
/// take it; without any it runs inline.
void activity_pool::assign_without_thread(activity_work_item item) {
  persistence::note_refused_thread("activities");
  activity_actor runs_inline;
  {
    const std::lock_guard lock(mutex_);
    --workers_;
    workers_max_ = workers_;
    threads_refused_at_ = std::chrono::steady_clock::now();
    if (workers_ == 0 && inline_worker_is_free_ && inline_worker_) {
      inline_worker_is_free_ = false;
      runs_inline = inline_worker_;
    } else {
      --busy_;
      if (closed_)
        queue_.end_run(item.name);
      else
        queue_.put_back(std::move(item));
      if (busy_ == 0)
        became_idle_.notify_all();
    }
  }
  if (runs_inline)
    caf::anon_send(runs_inline, std::move(item));
}

void activity_pool::submit(activity_work_item item) {
  std::vector<assignment> assignments;
  {
    std::lock_guard lock(mutex_);
    if (closed_)
      return;
    std::optional<timestamp> start_by;
    if (item.start_time_out.count() > 0)
      start_by = dependencies_.clock->now() + item.start_time_out;
    queue_.push(std::move(item), start_by);
    // If the item gets no worker now, a busy worker takes it after its current
    // item, or the monitor assigns it. The monitor is not needed if no item may
    // start.
    if ((!wants_another_worker() || !assign_next(assignments))
        && (start_by || queue_.startable() > 0))
      wake_monitor();
  }
  for (assignment& one : assignments)
    send_assignment(std::move(one.item), one.worker);
}

// --- Running activities ------------------------------------------------------

std::shared_ptr<activity_pool::worker_state>
activity_pool::add_worker(bool runs_inline) {
  auto made = std::make_shared<worker_state>();
  made->runs_inline = runs_inline;
  const std::lock_guard lock(mutex_);
  worker_states_.push_back(made);
  return made;
}

/// Fills in the state for a new run and starts its time-out.
void activity_pool::begin_run(worker_state& state, activity_work_item item) {
  state.run = ++last_run_;
  state.abandoned = false;
  state.began = std::chrono::steady_clock::now();
  state.cancelled = std::make_shared<std::atomic<bool>>(closed_);
  state.input = std::move(item.input);
  state.item = std::move(item);
  state.deadline.reset();
  if (state.item.time_out.count() > 0) {
    state.deadline = dependencies_.clock->now() + state.item.time_out;
    ++deadlines_;
    wake_monitor();
  }
}

/// Ends the run of the worker. Returns false if the outcome must be dropped:
/// the run has timed out, or the pool is closed, so that the outcome can no
/// longer become durable.
bool activity_pool::end_run(worker_state& state) {
  // Exponential moving average with a weight of 1/8 for the new value.
  const auto took = std::chrono::steady_clock::now() - state.began;
  average_time_ += (took - average_time_) / 8;
  state.run = 0;
  if (std::exchange(state.is_slow, false))
    --slow_;
  if (state.deadline)
    --deadlines_;
  queue_.end_run(state.item.name);
  return !state.abandoned && !closed_;
}

/// Runs the activity on this thread. Returns task_completed or task_failed.
history_body activity_pool::run(worker_state& state) {
  activity_call call;
  call.instance = state.item.instance;
  call.execution = state.item.execution;
  call.sequence = state.item.sequence;
  call.name = state.item.name;
  call.attempt = state.item.attempt;
  call.payload_of = dependencies_.payload_of;
  call.gateway = dependencies_.gateway;
  call.cancelled = state.cancelled;
  call.deadline = state.deadline;
  activity_context context(std::move(call));
  if (dependencies_.observe)
    persistence::guarded_call(
      log_channel::actors,
      [&] {
        return "The observer of activity \"" + state.item.name
               + "\" of instance \"" + state.item.instance + '"';
      },
      [&] { dependencies_.observe(context); });
  return body_of(state.item, dependencies_.functions->run_activity(
                               state.item.name, context, state.input));
}

/// Begins a run with the next item. Returns false if no queued item may start.
bool activity_pool::begin_next_run(worker_state& state) {
  if (closed_)
    return false;
  auto item = queue_.pop_startable();
  if (item)
    begin_run(state, std::move(*item));
  return item.has_value();
}

void activity_pool::work(worker_state& state, activity_work_item first,
                         const activity_actor& worker) {
  {
    const std::lock_guard lock(mutex_);
    begin_run(state, std::move(first));
  }
  for (std::uint64_t items = 1;; ++items) {
    history_body outcome = run(state);
    const bool stays = !state.runs_inline || items < inline_items_max;
    std::unique_lock lock(mutex_);
    const bool is_wanted = end_run(state);
    // The next run is begun under the same lock, so that no other worker takes
    // its item.
    const activity_work_item done = std::move(state.item);
    const bool has_next = stays && begin_next_run(state);
    lock.unlock();
    // Called without the mutex, because the receiver may call `submit`.
    if (is_wanted)
      dependencies_.deliver(result_of(done, std::move(outcome)));
    if (has_next)
      continue;
    lock.lock();
    // An item may have been queued while the mutex was unlocked.
    if (stays && begin_next_run(state))
      continue;
    release_worker(state, worker, lock);
    return;
  }
}

/// Makes the worker idle. When no worker is busy the pool may be destroyed, so
/// the worker must not use the pool after this call.
void activity_pool::release_worker(const worker_state& state,
                                   const activity_actor& worker,
                                   std::unique_lock<std::mutex>& lock) {
  --busy_;
  if (state.runs_inline)
    inline_worker_is_free_ = true;
  else if (!closed_)
    idle_.push_back(worker);
  std::vector<assignment> assignments;
  // The end of the run may have made an item startable for which no other
  // worker looks soon.
  if (queue_.startable() > 0 && (busy_ > 0 || !assign_next(assignments)))
    wake_monitor();
  if (busy_ == 0)
    became_idle_.notify_all();
  lock.unlock();
  // The pool may be destroyed once `busy_` is 0. Each assignment counts in
  // `busy_`, so the pool exists until the last assignment has been sent.
  for (assignment& one : assignments)
    send_assignment(std::move(one.item), one.worker);
}

// --- The monitor: time-outs and slow activities ------------------------------

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
    std::vector<activity_result> late = expire(dependencies_.clock->now());
    std::vector<assignment> assignments = assign_for_slow_workers();
    if (!late.empty() || !assignments.empty()) {
      monitor_delivers_ = !late.empty();
      lock.unlock();
      for (activity_result& one : late)
        dependencies_.deliver(std::move(one));
      for (assignment& one : assignments)
        send_assignment(std::move(one.item), one.worker);
      lock.lock();
      monitor_delivers_ = false;
      if (busy_ == 0)
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
    else if (const auto first = next_deadline())
      monitor_wake_.wait_for(
        lock, *first - dependencies_.clock->now() + duration(100), is_called);
    else
      monitor_wake_.wait(lock, is_called);
  }
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
std::optional<timestamp> activity_pool::next_deadline() const {
  std::optional<timestamp> first;
  const auto sooner = [&](const std::optional<timestamp>& deadline) {
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

/// Returns "timed_out" results for running and queued items whose time-outs
/// have passed. A running activity cannot be stopped: its cancellation is
/// requested, its outcome will be dropped, and its worker is free when it
/// returns.
std::vector<activity_result> activity_pool::expire(timestamp now) {
  std::vector<activity_result> late;
  if (deadlines_ > 0)
    for (const auto& state : worker_states_) {
      if (state->run == 0 || state->abandoned || !state->deadline
          || *state->deadline > now)
        continue;
      state->abandoned = true;
      state->cancelled->store(true);
      late.push_back(timed_out(state->item, state->item.time_out,
                               "the activity did not end"));
    }
  for (const activity_work_item& item : queue_.pop_expired(now))
    late.push_back(
      timed_out(item, item.start_time_out, "no worker was free to start it"));
  return late;
}

// --- Closing ----------------------------------------------------------------

void activity_pool::close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  queue_.clear();
  idle_.clear();
  inline_worker_ = nullptr;
  for (const auto& state : worker_states_)
    if (state->run != 0)
      state->cancelled->store(true);
  monitor_wake_.notify_all();
}

bool activity_pool::wait_idle(duration time_limit) {
  std::unique_lock lock(mutex_);
  return became_idle_.wait_for(
    lock, time_limit, [this] { return busy_ == 0 && !monitor_delivers_; });
}

std::uint64_t activity_pool::examinations() const {
  std::lock_guard lock(mutex_);
  return examinations_;
}

std::vector<std::string> activity_pool::running_names() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& state : worker_states_)
    if (state->run != 0)
      names.push_back(state->item.name + " of \"" + state->item.instance
                      + "\"");
  return names;
}

} // namespace perdura::actors
