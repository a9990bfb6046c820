#include "actors/activity_pool.hpp"

#include "actors/activity_actor.hpp"
#include <perdura/actors/registry.hpp>

#include <algorithm>

namespace perdura::actors {

namespace {

activity_result result_of(const activity_work_item& item,
                          history_body outcome) {
  return {item.partition, item.instance, item.execution, item.sequence,
          std::move(outcome)};
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
  : system_(system), options_(options), around_(std::move(around)) {}

activity_pool::~activity_pool() {
  close();
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return busy_ == 0; });
  }
  if (watcher_.joinable())
    watcher_.join();
}

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
  ++running_by_name_[item.name];
  return item;
}

void activity_pool::submit(activity_work_item item) {
  std::unique_lock lock(mutex_);
  if (closed_)
    return;
  queued entry{std::move(item), std::nullopt};
  if (entry.item.start_time_out.count() > 0) {
    entry.start_by = around_.time->now() + entry.item.start_time_out;
    ++start_deadlines_;
  }
  const bool timed = entry.start_by.has_value();
  queue_.push_back(std::move(entry));
  if (timed)
    note_deadline();
  if (idle_.empty() && workers_ >= options_.activities_max)
    return;
  auto next = pop_startable();
  if (!next)
    return;
  ++busy_;
  if (idle_.empty()) {
    ++workers_;
    lock.unlock();
    caf::anon_send(system_.spawn<caf::detached>(activity_behavior, this),
                   std::move(*next));
    return;
  }
  activity_actor worker = std::move(idle_.back());
  idle_.pop_back();
  lock.unlock();
  caf::anon_send(worker, std::move(*next));
}

void activity_pool::run(activity_work_item item) {
  activity_call call;
  call.instance = item.instance;
  call.execution = item.execution;
  call.sequence = item.sequence;
  call.name = item.name;
  call.attempt = item.attempt;
  call.payload_of = around_.payload_of;
  call.gateway = around_.gateway;
  auto cancelled = std::make_shared<std::atomic<bool>>(false);
  call.cancelled = cancelled;
  if (item.time_out.count() > 0)
    call.deadline = around_.time->now() + item.time_out;
  const std::string input = std::move(item.input);
  item.input.clear();
  std::uint64_t number = 0;
  {
    std::lock_guard lock(mutex_);
    number = next_run_++;
    if (closed_)
      cancelled->store(true);
    if (call.deadline) {
      deadlines_.emplace(*call.deadline, number);
      note_deadline();
    }
    running_.emplace(number, running{item, cancelled, false});
  }

  activity_context context(std::move(call));
  if (around_.observe)
    around_.observe(context);
  activity_outcome outcome
    = around_.functions->run_activity(item.name, context, input);

  bool wanted = false;
  {
    std::lock_guard lock(mutex_);
    auto it = running_.find(number);
    // After close the result could not become durable: it runs again.
    wanted = !it->second.delivered && !closed_;
    running_.erase(it);
    if (context.deadline()) {
      auto [first, last] = deadlines_.equal_range(*context.deadline());
      for (; first != last; ++first)
        if (first->second == number) {
          deadlines_.erase(first);
          break;
        }
    }
    auto by_name = running_by_name_.find(item.name);
    if (--by_name->second == 0)
      running_by_name_.erase(by_name);
    changed_.notify_all();
  }
  if (!wanted)
    return;
  if (auto* text = std::get_if<std::string>(&outcome))
    around_.deliver(
      result_of(item, task_completed{item.sequence, std::move(*text)}));
  else
    around_.deliver(result_of(
      item, persistence::task_failed{
              item.sequence, std::move(std::get<failure_details>(outcome))}));
}

std::optional<activity_work_item> activity_pool::next(activity_actor worker) {
  std::lock_guard lock(mutex_);
  if (!closed_) {
    if (auto item = pop_startable())
      return item;
    idle_.push_back(std::move(worker));
  }
  // From here on the worker does not touch the pool: it may go.
  --busy_;
  changed_.notify_all();
  return std::nullopt;
}

// --- Time-outs --------------------------------------------------------------

void activity_pool::note_deadline() {
  if (!watcher_.joinable())
    watcher_ = std::thread([this] { watch_deadlines(); });
  changed_.notify_all();
}

void activity_pool::watch_deadlines() {
  std::unique_lock lock(mutex_);
  while (!closed_) {
    const timestamp now = around_.time->now();
    std::vector<activity_result> late = expire(now);
    if (!late.empty()) {
      lock.unlock();
      for (activity_result& one : late)
        around_.deliver(std::move(one));
      lock.lock();
      continue;
    }
    std::optional<timestamp> first;
    if (!deadlines_.empty())
      first = deadlines_.begin()->first;
    if (start_deadlines_ > 0)
      for (const queued& one : queue_)
        if (one.start_by && (!first || *one.start_by < *first))
          first = one.start_by;
    if (first)
      changed_.wait_for(lock, *first - now + duration(100));
    else
      changed_.wait(lock);
  }
}

/// A thread cannot be stopped: the result is given up, the call is told, and
/// its place is free when it returns.
std::vector<activity_result> activity_pool::expire(timestamp now) {
  std::vector<activity_result> late;
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    auto it = running_.find(deadlines_.begin()->second);
    deadlines_.erase(deadlines_.begin());
    if (it == running_.end() || it->second.delivered)
      continue;
    it->second.delivered = true;
    it->second.cancelled->store(true);
    late.push_back(
      timed_out(it->second.item, it->second.item.time_out, "it did not end"));
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
  for (auto& [number, one] : running_)
    one.cancelled->store(true);
  changed_.notify_all();
}

bool activity_pool::wait_idle(duration patience) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [this] { return busy_ == 0; });
}

std::vector<std::string> activity_pool::running_names() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [number, one] : running_)
    names.push_back(one.item.name + " of \"" + one.item.instance + "\"");
  return names;
}

} // namespace perdura::actors
