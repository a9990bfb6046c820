// SPDX-License-Identifier: Apache-2.0
#include "actors/activities/activity_pool.hpp"

#include "actors/activities/activity_actor.hpp"
#include "actors/activities/activity_results.hpp"
#include "actors/activities/stored_input.hpp"
#include "actors/execution/work_guard.hpp"
#include "persistence/process/guarded_call.hpp"
#include "persistence/process/process_end.hpp"
#include "persistence/process/thread_role.hpp"
#include "persistence/process/thread_start.hpp"
#include <perdura/actors/authoring/registry.hpp>
#include <perdura/persistence/records/time_arithmetic.hpp>

#include <algorithm>
#include <utility>

namespace perdura::actors {

using namespace persistence;

namespace {

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

// Maximum number of cancelled executions that the pool remembers. Beyond it
// they are forgotten: the activities of these that begin later do not see that
// their cancellation is requested.
constexpr std::size_t cancelled_max = 10'000;

// While activities are short, another worker is used only if at least this
// many items are queued for each worker that is not slow.
constexpr std::size_t backlog_min = 16;

} // namespace

activity_pool::activity_pool(caf::actor_system& system,
                             activity_pool_options options,
                             activity_pool_dependencies dependencies)
  : system_(system),
    options_(options),
    dependencies_(std::move(dependencies)),
    cores_(std::max(1U, std::thread::hardware_concurrency())),
    queue_(
      [this](const std::string& name) -> std::optional<std::size_t> {
        const auto* limits
          = dependencies_.functions->find_activity_limits(name);
        if (limits == nullptr && !options_.unknown_fails)
          return std::nullopt;
        return limits == nullptr ? 0 : limits->concurrency_max;
      },
      dependencies_.read_input ? options.queued_input_bytes_max
                               : static_cast<std::size_t>(-1)),
    workers_max_(options.activities_max),
    inline_worker_(system.spawn(activity_behavior, this, true)),
    monitor_([this] {
      persistence::run_thread_body("the monitor of activities",
                                   [this] { run_monitor(); });
    }) {}

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

/// Returns true if as many activities run as the limits allow.
bool activity_pool::is_full() const {
  return busy_ - extra_ >= options_.activities_max;
}

/// The number of threads that may exist now.
std::size_t activity_pool::threads_max() const {
  return workers_max_ + extra_;
}

/// Returns true if the limits allow one more busy worker.
bool activity_pool::has_free_worker() const {
  return !is_full() && (!idle_.empty() || workers_ < threads_max());
}

/// Assigns a queued item to one more worker. Returns false if no worker is
/// available within the limits, or if no item may start.
bool activity_pool::assign_next(std::vector<assignment>& assignments) {
  if (stops_ || is_full())
    return false;
  if (workers_max_ < options_.activities_max
      && std::chrono::steady_clock::now() - threads_refused_at_ > retry_after)
    workers_max_ = options_.activities_max;
  const bool is_short = busy_ == 0 && last_run_ >= inline_runs_min
                        && average_time_ <= inline_time_max;
  const bool runs_inline = inline_worker_ && inline_worker_is_free_
                           && (is_short || workers_max_ == 0);
  if (!runs_inline && idle_.empty() && workers_ >= threads_max())
    return false;
  auto item = pop_next();
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
    one.worker = std::move(idle_.back().worker);
    idle_.pop_back();
    idle_min_ = std::min(idle_min_, idle_.size());
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
    workers_max_ = workers_ - std::min(extra_, workers_);
    threads_refused_at_ = std::chrono::steady_clock::now();
    if (workers_max_ == 0 && inline_worker_is_free_ && inline_worker_) {
      inline_worker_is_free_ = false;
      runs_inline = inline_worker_;
    } else {
      --busy_;
      const auto unread = unread_.extract(key_of(item));
      if (!unread.empty() && unread.mapped().input)
        put_input(item, std::move(*unread.mapped().input));
      if (stops_)
        queue_.end_run(item.name);
      else
        queue_.put_back(std::move(item));
      if (busy_ == 0 || stops_)
        became_idle_.notify_all();
    }
  }
  if (runs_inline)
    caf::anon_send(runs_inline, std::move(item));
}

/// Returns true if the item may be queued. Otherwise it is parked, or is
/// submitted again later.
bool activity_pool::may_run(activity_work_item& item) {
  std::string why;
  const std::string instance = item.instance;
  const std::string name = item.name;
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    number = ++last_waiting_;
    waiting_.emplace(number, std::move(item));
  }
  const auto verdict = dependencies_.guard->admit(
    work_kind::activity, instance, name,
    [this, number] { submit_waiting(number); }, why);
  if (verdict == work_guard::verdict::waits)
    return false;
  {
    const std::lock_guard lock(mutex_);
    item = std::move(waiting_.extract(number).mapped());
  }
  if (verdict == work_guard::verdict::held) {
    dependencies_.hold(item, why);
    // A held activity may wait for long, so its input need not be in memory.
    if (dependencies_.read_input && item.scheduled_event != 0) {
      item.input = std::string();
      item.input_is_stored = true;
    }
    const std::lock_guard lock(mutex_);
    if (!stops_)
      parked_[item.instance].push_back(std::move(item));
  }
  return verdict == work_guard::verdict::runs;
}

/// The guard permits an item that has waited to be submitted again.
void activity_pool::submit_waiting(std::uint64_t number) {
  std::unique_lock lock(mutex_);
  auto waited = waiting_.extract(number);
  lock.unlock();
  submit(std::move(waited.mapped()));
}

void activity_pool::release(const instance_id& instance, bool is_ended) {
  std::vector<activity_work_item> items;
  {
    const std::lock_guard lock(mutex_);
    auto parked = parked_.extract(instance);
    if (!parked.empty() && !is_ended)
      items = std::move(parked.mapped());
  }
  for (activity_work_item& item : items)
    submit(std::move(item));
}

void activity_pool::submit(activity_work_item item) {
  if (dependencies_.guard != nullptr && dependencies_.guard->is_watching()
      && !may_run(item))
    return;
  std::vector<assignment> assignments;
  {
    std::lock_guard lock(mutex_);
    if (stops_)
      return;
    std::optional<boot_time> start_by;
    if (item.start_time_out.count() > 0)
      start_by
        = saturated_sum(dependencies_.clock->since_boot(), item.start_time_out);
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
  progress_ = state.began;
  state.cancelled = std::make_shared<std::atomic<bool>>(
    closed_
    || (!cancelled_.empty()
        && cancelled_.contains({item.instance, item.execution})));
  state.input = std::move(item.input);
  state.item = std::move(item);
  state.deadline.reset();
  if (state.item.time_out.count() > 0) {
    state.deadline
      = saturated_sum(dependencies_.clock->since_boot(), state.item.time_out);
    ++deadlines_;
    wake_monitor();
  }
}

/// Ends the run of the worker. Returns false if the outcome must be dropped:
/// the run has timed out, or the pool is closed, so that the outcome can no
/// longer become durable.
bool activity_pool::end_run(worker_state& state) {
  // Exponential moving average with a weight of 1/8 for the new value.
  progress_ = std::chrono::steady_clock::now();
  const auto took = progress_ - state.began;
  average_time_ += (took - average_time_) / 8;
  state.run = 0;
  if (std::exchange(state.is_slow, false))
    --slow_;
  if (std::exchange(state.is_extra, false))
    --extra_;
  if (state.deadline)
    --deadlines_;
  queue_.end_run(state.item.name);
  return !state.abandoned && !closed_;
}

/// Runs the activity on this thread. Returns task_completed or task_failed.
std::optional<history_body> activity_pool::run(worker_state& state) {
  if (state.item.input_is_stored && !read_input(state))
    return std::nullopt;
  activity_call call;
  call.instance = state.item.instance;
  call.execution = state.item.execution;
  call.sequence = state.item.sequence;
  call.name = state.item.name;
  call.attempt = state.item.attempt;
  call.payload_of = dependencies_.payload_of;
  call.gateway = dependencies_.gateway;
  call.cancelled = state.cancelled;
  if (state.item.time_out.count() > 0)
    call.deadline
      = saturated_sum(dependencies_.clock->now(), state.item.time_out);
  activity_context context(std::move(call));
  if (dependencies_.observe)
    persistence::guarded_call(
      log_channel::actors,
      [&] {
        return "The observer of activity \"" + state.item.name
               + "\" of instance \"" + state.item.instance + '"';
      },
      [&] { dependencies_.observe(context); });
  const running_work note(dependencies_.guard, work_kind::activity,
                          state.item.instance, state.item.name);
  return body_of(state.item, dependencies_.functions->run_activity(
                               state.item.name, context, state.input));
}

/// Returns true if the worker, which has ended its run, must take no other
/// item: while its run was given up, other workers have taken its place.
bool activity_pool::is_surplus(const worker_state& state) const {
  return busy_ - extra_ > options_.activities_max
         || (!state.runs_inline && workers_ > threads_max());
}

/// Begins a run with the next item. Returns false if no queued item may start,
/// or if the worker must not start it.
bool activity_pool::begin_next_run(worker_state& state) {
  if (stops_ || is_surplus(state))
    return false;
  auto item = pop_next();
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
    std::optional<history_body> outcome = run(state);
    const bool stays = !state.runs_inline || items < inline_items_max;
    std::unique_lock lock(mutex_);
    const bool is_wanted = end_run(state);
    // The next run is begun under the same lock, so that no other worker takes
    // its item.
    const activity_work_item done = std::move(state.item);
    const bool has_next = stays && begin_next_run(state);
    lock.unlock();
    if (dependencies_.guard != nullptr)
      dependencies_.guard->end(work_kind::activity, done.instance, done.name);
    // Called without the mutex, because the receiver may call `submit`.
    if (is_wanted && outcome)
      dependencies_.deliver(result_of(done, std::move(*outcome)));
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

/// Ends a worker with a thread of its own that has no item.
void activity_pool::end_worker(const idle_worker& one) {
  --workers_;
  std::erase_if(worker_states_,
                [&](const auto& each) { return each.get() == one.state; });
  caf::anon_send_exit(one.worker, caf::exit_reason::user_shutdown);
}

/// Makes the worker idle. When no worker is busy the pool may be destroyed, so
/// the worker must not use the pool after this call.
void activity_pool::release_worker(const worker_state& state,
                                   const activity_actor& worker,
                                   std::unique_lock<std::mutex>& lock) {
  const bool ends = !state.runs_inline && workers_ > threads_max();
  --busy_;
  if (state.runs_inline) {
    inline_worker_is_free_ = true;
  } else if (ends) {
    end_worker({worker, &state});
  } else if (!closed_) {
    idle_.push_back({worker, &state});
  }
  std::vector<assignment> assignments;
  // The end of the run may have made an item startable for which no other
  // worker looks soon.
  if (queue_.startable() > 0 && (busy_ > 0 || !assign_next(assignments)))
    wake_monitor();
  if (busy_ == 0 && queue_.size() == 0 && waiting_.empty())
    cancelled_.clear();
  if (busy_ == 0 || stops_)
    became_idle_.notify_all();
  lock.unlock();
  // The pool may be destroyed once `busy_` is 0. Each assignment counts in
  // `busy_`, so the pool exists until the last assignment has been sent.
  for (assignment& one : assignments)
    send_assignment(std::move(one.item), one.worker);
}

// --- Closing ----------------------------------------------------------------

void activity_pool::stop_starting() {
  const std::lock_guard lock(mutex_);
  stops_ = true;
  queue_.clear();
}

/// Returns true if a busy worker has a result to deliver.
bool activity_pool::has_results_to_come() const {
  const auto given_up = std::count_if(
    worker_states_.begin(), worker_states_.end(),
    [](const auto& state) { return state->run != 0 && state->abandoned; });
  return busy_ != static_cast<std::size_t>(given_up) || monitor_delivers_;
}

bool activity_pool::wait_for_results(duration time_limit) {
  std::unique_lock lock(mutex_);
  return became_idle_.wait_for(lock, bounded_wait(time_limit),
                               [this] { return !has_results_to_come(); });
}

void activity_pool::close() {
  std::lock_guard lock(mutex_);
  stops_ = true;
  closed_ = true;
  queue_.clear();
  idle_.clear();
  idle_min_ = 0;
  inline_worker_ = nullptr;
  for (const auto& state : worker_states_)
    if (state->run != 0)
      state->cancelled->store(true);
  monitor_wake_.notify_all();
}

bool activity_pool::wait_idle(duration time_limit) {
  std::unique_lock lock(mutex_);
  return became_idle_.wait_for(lock, bounded_wait(time_limit), [this] {
    return busy_ == 0 && !monitor_delivers_;
  });
}

std::uint64_t activity_pool::examinations() const {
  std::lock_guard lock(mutex_);
  return examinations_;
}

activity_facts activity_pool::facts() const {
  const auto now = std::chrono::steady_clock::now();
  std::lock_guard lock(mutex_);
  activity_facts found;
  for (const auto& state : worker_states_)
    if (state->run != 0)
      found.runs.push_back({state->item.name, state->item.instance,
                            now - state->began, state->abandoned});
  found.queued = queue_.queued_by_name();
  found.is_full = queue_.startable() > 0 && !has_free_worker();
  found.idle = now - progress_;
  return found;
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
