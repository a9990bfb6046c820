#include "actors/activities/activity_pool.hpp"

#include "actors/activities/activity_actor.hpp"
#include "persistence/process/thread_role.hpp"
#include <perdura/actors/authoring/registry.hpp>

#include <algorithm>
#include <utility>

namespace perdura::actors {

namespace {

// A thread that runs one activity for longer keeps those behind it waiting;
// also how soon the next thread is made for them. Waking a thread costs some
// 10 us, so this is where it begins to pay.
constexpr std::chrono::milliseconds slow_after{1};

// Activities that take longer, of late, each get a thread at once.
constexpr std::chrono::microseconds long_time{300};

// What has lately been as short as this is not worth waking a thread at all:
// it runs on a scheduler's, one at a time. Should it block for once, the
// scheduler puts another thread in that one's place.
constexpr std::chrono::microseconds near_time_max{20};
constexpr std::uint64_t near_runs_min = 64;  ///< Before that is believed.
constexpr std::uint64_t near_items_max = 16; ///< Then others have their turn.

// So many short ones wait for each thread before one more core is used.
constexpr std::size_t backlog_min = 16;

activity_result result_of(const activity_work_item& item,
                          history_body outcome) {
  return {item.partition, item.instance, item.execution, item.sequence,
          std::move(outcome)};
}

history_body body_of(const activity_work_item& item,
                     activity_outcome&& outcome) {
  if (auto* text = std::get_if<std::string>(&outcome))
    return task_completed{item.sequence, std::move(*text)};
  return persistence::task_failed{
    item.sequence, std::move(std::get<failure_details>(outcome))};
}

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
                             activity_pool_surroundings around)
  : system_(system),
    options_(options),
    around_(std::move(around)),
    cores_(std::max(1U, std::thread::hardware_concurrency())),
    near_(system.spawn(activity_behavior, this, true)),
    watcher_([this] { watch(); }) {}

activity_pool::~activity_pool() {
  close();
  {
    std::unique_lock lock(mutex_);
    became_idle_.wait(lock, [this] { return busy_ == 0; });
  }
  watcher_.join();
}

// --- What waits --------------------------------------------------------------

bool activity_pool::may_start(const std::string& name) const {
  const auto* limits = around_.functions->find_activity_limits(name);
  if (limits == nullptr || limits->concurrency_max == 0)
    return true;
  auto it = running_by_name_.find(name);
  return it == running_by_name_.end() || it->second < limits->concurrency_max;
}

std::optional<activity_work_item> activity_pool::pop_startable() {
  auto it = std::find_if(queue_.begin(), queue_.end(), [&](const queued& one) {
    return may_start(one.item.name);
  });
  if (it == queue_.end())
    return std::nullopt;
  activity_work_item item = std::move(it->item);
  if (it->start_by)
    --start_deadlines_;
  queue_.erase(it);
  return item;
}

/// Whether what waits is worth one more thread now.
bool activity_pool::wants_another() const {
  const std::size_t working = busy_ - slow_;
  if (working == 0 || usual_time_ > long_time)
    return true;
  return working < cores_ && queue_.size() >= backlog_min * working;
}

/// Takes something that waits for one more worker, if there may be one.
bool activity_pool::hire(std::vector<hired>& hands) {
  if (busy_ >= options_.activities_max)
    return false;
  const bool is_near = near_ && near_is_free_ && busy_ == 0
                       && last_run_ >= near_runs_min
                       && usual_time_ <= near_time_max;
  if (!is_near && idle_.empty() && workers_ >= options_.activities_max)
    return false;
  auto item = pop_startable();
  if (!item)
    return false;
  ++busy_;
  hired& one = hands.emplace_back();
  one.item = std::move(*item);
  if (is_near) {
    near_is_free_ = false;
    one.worker = near_;
  } else if (idle_.empty()) {
    ++workers_;
  } else {
    one.worker = std::move(idle_.back());
    idle_.pop_back();
  }
  return true;
}

void activity_pool::send_to_work(activity_work_item item,
                                 const activity_actor& worker) {
  caf::anon_send(
    worker ? worker
           : system_.spawn<caf::detached>(activity_behavior, this, false),
    std::move(item));
}

void activity_pool::submit(activity_work_item item) {
  std::vector<hired> hands;
  {
    std::lock_guard lock(mutex_);
    if (closed_)
      return;
    queued entry{std::move(item), std::nullopt};
    if (entry.item.start_time_out.count() > 0) {
      entry.start_by = around_.time->now() + entry.item.start_time_out;
      ++start_deadlines_;
    }
    queue_.push_back(std::move(entry));
    if (!wants_another() || !hire(hands))
      rouse_watcher();
  }
  for (hired& one : hands)
    send_to_work(std::move(one.item), one.worker);
}

// --- At a desk ---------------------------------------------------------------

std::shared_ptr<activity_pool::desk> activity_pool::open_desk(bool is_near) {
  auto made = std::make_shared<desk>();
  made->is_near = is_near;
  const std::lock_guard lock(mutex_);
  desks_.push_back(made);
  return made;
}

void activity_pool::sit_down(desk& at, activity_work_item item) {
  at.run = ++last_run_;
  at.given_up = false;
  at.began = std::chrono::steady_clock::now();
  at.cancelled = std::make_shared<std::atomic<bool>>(closed_);
  at.input = std::move(item.input);
  at.item = std::move(item);
  const auto* limits = around_.functions->find_activity_limits(at.item.name);
  at.limited = limits != nullptr && limits->concurrency_max != 0;
  if (at.limited)
    ++running_by_name_[at.item.name];
  at.deadline.reset();
  if (at.item.time_out.count() > 0) {
    at.deadline = around_.time->now() + at.item.time_out;
    ++deadlines_;
    rouse_watcher();
  }
}

/// Whether the result is wanted: after `close` it could not become durable,
/// and the activity runs again.
bool activity_pool::get_up(desk& at) {
  const auto took = std::chrono::steady_clock::now() - at.began;
  usual_time_ += (took - usual_time_) / 8;
  at.run = 0;
  if (std::exchange(at.is_slow, false))
    --slow_;
  if (at.deadline)
    --deadlines_;
  if (at.limited) {
    auto by_name = running_by_name_.find(at.item.name);
    if (--by_name->second == 0)
      running_by_name_.erase(by_name);
  }
  return !at.given_up && !closed_;
}

/// Task_completed or task_failed.
history_body activity_pool::run(desk& at) {
  activity_call call;
  call.instance = at.item.instance;
  call.execution = at.item.execution;
  call.sequence = at.item.sequence;
  call.name = at.item.name;
  call.attempt = at.item.attempt;
  call.payload_of = around_.payload_of;
  call.gateway = around_.gateway;
  call.cancelled = at.cancelled;
  call.deadline = at.deadline;
  activity_context context(std::move(call));
  if (around_.observe)
    around_.observe(context);
  return body_of(
    at.item, around_.functions->run_activity(at.item.name, context, at.input));
}

/// False: nothing waits that may start.
bool activity_pool::take_next(desk& at) {
  if (closed_)
    return false;
  auto item = pop_startable();
  if (item)
    sit_down(at, std::move(*item));
  return item.has_value();
}

void activity_pool::work(desk& at, activity_work_item first,
                         const activity_actor& worker) {
  {
    const std::lock_guard lock(mutex_);
    sit_down(at, std::move(first));
  }
  for (std::uint64_t items = 1;; ++items) {
    history_body outcome = run(at);
    const bool stays = !at.is_near || items < near_items_max;
    std::unique_lock lock(mutex_);
    const bool is_wanted = get_up(at);
    const activity_work_item done = std::move(at.item);
    const bool has_next = stays && take_next(at);
    lock.unlock();
    if (is_wanted)
      around_.deliver(result_of(done, std::move(outcome)));
    if (has_next)
      continue;
    lock.lock();
    if (stays && take_next(at)) // it came meanwhile
      continue;
    leave(at, worker, lock);
    return;
  }
}

/// From here on the worker does not touch the pool: it may go.
void activity_pool::leave(const desk& at, const activity_actor& worker,
                          std::unique_lock<std::mutex>& lock) {
  --busy_;
  if (at.is_near)
    near_is_free_ = true;
  else if (!closed_)
    idle_.push_back(worker);
  std::vector<hired> hands;
  if (busy_ == 0 && !queue_.empty())
    hire(hands);
  if (busy_ == 0)
    became_idle_.notify_all();
  lock.unlock();
  for (hired& one : hands) // so the pool is there yet
    send_to_work(std::move(one.item), one.worker);
}

// --- Who watches for time-outs and slow ones ---------------------------------

void activity_pool::rouse_watcher() {
  if (!std::exchange(watcher_rests_, false))
    return; // it looks again in a moment
  watcher_due_.notify_one();
}

void activity_pool::watch() {
  persistence::enter_thread_role("act-watch");
  std::unique_lock lock(mutex_);
  while (!closed_) {
    std::vector<activity_result> late = expire(around_.time->now());
    std::vector<hired> hands = hire_for_slow_ones();
    if (!late.empty() || !hands.empty()) {
      lock.unlock();
      for (activity_result& one : late)
        around_.deliver(std::move(one));
      for (hired& one : hands)
        send_to_work(std::move(one.item), one.worker);
      lock.lock();
      continue;
    }
    const bool may_hire = !idle_.empty() || workers_ < options_.activities_max;
    watcher_rests_ = queue_.empty() || !may_hire;
    const auto is_called = [this] { return closed_ || !watcher_rests_; };
    if (!watcher_rests_)
      watcher_due_.wait_for(lock, slow_after, [this] { return closed_; });
    else if (const auto first = next_deadline())
      watcher_due_.wait_for(lock, *first - around_.time->now() + duration(100),
                            is_called);
    else
      watcher_due_.wait(lock, is_called);
  }
}

/// Notes who has not come round since the last look. If nobody else works,
/// twice as many are to work on what waits.
std::vector<activity_pool::hired> activity_pool::hire_for_slow_ones() {
  for (const auto& at : desks_) {
    if (at->run != 0 && at->run == at->seen && !at->is_slow) {
      at->is_slow = true;
      ++slow_;
    }
    at->seen = at->run;
  }
  std::vector<hired> hands;
  if (busy_ == slow_) {
    const std::size_t most = std::max<std::size_t>(busy_, 1);
    while (hands.size() < most && hire(hands)) {
    }
  } else if (wants_another()) {
    hire(hands);
  }
  return hands;
}

std::optional<timestamp> activity_pool::next_deadline() const {
  std::optional<timestamp> first;
  const auto sooner = [&](const std::optional<timestamp>& at) {
    if (at && (!first || *at < *first))
      first = at;
  };
  if (deadlines_ > 0)
    for (const auto& at : desks_)
      if (at->run != 0 && !at->given_up)
        sooner(at->deadline);
  if (start_deadlines_ > 0)
    for (const queued& one : queue_)
      sooner(one.start_by);
  return first;
}

/// A thread cannot be stopped: the result is given up, the call is told, and
/// its place is free when it returns.
std::vector<activity_result> activity_pool::expire(timestamp now) {
  std::vector<activity_result> late;
  if (deadlines_ > 0)
    for (const auto& at : desks_) {
      if (at->run == 0 || at->given_up || !at->deadline || *at->deadline > now)
        continue;
      at->given_up = true;
      at->cancelled->store(true);
      late.push_back(timed_out(at->item, at->item.time_out, "it did not end"));
    }
  if (start_deadlines_ == 0)
    return late;
  std::erase_if(queue_, [&](const queued& one) {
    if (!one.start_by || *one.start_by > now)
      return false;
    --start_deadlines_;
    late.push_back(timed_out(one.item, one.item.start_time_out,
                             "no worker was free to start it"));
    return true;
  });
  return late;
}

// --- The end ----------------------------------------------------------------

void activity_pool::close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  queue_.clear();
  start_deadlines_ = 0;
  idle_.clear();
  near_ = nullptr;
  for (const auto& at : desks_)
    if (at->run != 0)
      at->cancelled->store(true);
  watcher_due_.notify_all();
}

bool activity_pool::wait_idle(duration patience) {
  std::unique_lock lock(mutex_);
  return became_idle_.wait_for(lock, patience, [this] { return busy_ == 0; });
}

std::vector<std::string> activity_pool::running_names() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& at : desks_)
    if (at->run != 0)
      names.push_back(at->item.name + " of \"" + at->item.instance + "\"");
  return names;
}

} // namespace perdura::actors
