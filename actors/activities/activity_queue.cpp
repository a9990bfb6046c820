// SPDX-License-Identifier: Apache-2.0
#include "actors/activities/activity_queue.hpp"

#include <algorithm>
#include <utility>

namespace perdura::actors {

namespace {

// The entries of more names than this are removed when they are not in use, so
// that code that asks for ever new names of activities takes no memory.
constexpr std::size_t names_kept_max = 1'024;

// Expired entries are removed from the middle of a queue if they are more than
// this and more than half of it.
constexpr std::size_t expired_kept_max = 64;

} // namespace

activity_queue::activity_queue(limit_of limit) : limit_(std::move(limit)) {}

/// The address of an entry is stable while items of the name are queued or run.
activity_queue::named& activity_queue::queue_of(const std::string& name) {
  const auto [it, fresh] = by_name_.try_emplace(name);
  if (fresh)
    it->second.running_max = limit_(name);
  return it->second;
}

/// Brings `startable_` and `ready_` up to date after a change of the queue.
void activity_queue::update(named& queue) {
  while (!queue.items.empty() && queue.items.front().expired)
    queue.items.pop_front();
  std::size_t startable = queue.waiting;
  if (queue.running_max != 0)
    startable = std::min(startable, queue.running < queue.running_max
                                      ? queue.running_max - queue.running
                                      : 0);
  startable_ += startable;
  startable_ -= std::exchange(queue.startable, startable);
  const std::uint64_t ready = startable == 0 ? 0 : queue.items.front().number;
  if (ready == queue.ready)
    return;
  if (queue.ready != 0 && ready != 0) { // moved without an allocation
    auto node = ready_.extract(queue.ready);
    node.key() = ready;
    ready_.insert(std::move(node));
  } else if (ready != 0) {
    ready_.emplace(ready, &queue);
  } else {
    ready_.erase(queue.ready);
  }
  queue.ready = ready;
}

void activity_queue::forget_if_unused(const std::string& name) {
  if (by_name_.size() <= names_kept_max)
    return;
  const auto found = by_name_.find(name);
  if (found != by_name_.end() && found->second.running == 0
      && found->second.waiting == 0)
    by_name_.erase(found);
}

void activity_queue::push(activity_work_item item,
                          std::optional<timestamp> start_by) {
  named& queue = queue_of(item.name);
  const std::uint64_t number = ++last_number_;
  if (start_by)
    deadlines_.emplace(*start_by, number, &queue);
  queue.items.push_back({number, std::move(item), start_by});
  ++queue.waiting;
  ++size_;
  update(queue);
}

std::optional<activity_work_item> activity_queue::pop_startable() {
  if (ready_.empty())
    return std::nullopt;
  named& queue = *ready_.begin()->second;
  queued& first = queue.items.front();
  if (first.start_by)
    deadlines_.erase({*first.start_by, first.number, &queue});
  activity_work_item item = std::move(first.item);
  queue.items.pop_front();
  --queue.waiting;
  --size_;
  ++queue.running;
  update(queue);
  return item;
}

void activity_queue::end_run(const std::string& name) {
  named& queue = queue_of(name);
  --queue.running;
  update(queue);
  forget_if_unused(name);
}

void activity_queue::put_back(activity_work_item item) {
  named& queue = queue_of(item.name);
  --queue.running;
  queue.items.push_front({front_number_--, std::move(item), std::nullopt});
  ++queue.waiting;
  ++size_;
  update(queue);
}

std::vector<activity_work_item> activity_queue::pop_expired(timestamp now) {
  std::vector<activity_work_item> expired;
  while (!deadlines_.empty() && std::get<0>(*deadlines_.begin()) <= now) {
    const auto [time, number, queue] = *deadlines_.begin();
    deadlines_.erase(deadlines_.begin());
    const auto found
      = std::lower_bound(queue->items.begin(), queue->items.end(), number,
                         [](const queued& one, std::uint64_t other) {
                           return one.number < other;
                         });
    expired.push_back(std::move(found->item));
    found->expired = true;
    --queue->waiting;
    --size_;
    if (queue->items.size() > 2 * queue->waiting + expired_kept_max)
      std::erase_if(queue->items,
                    [](const queued& one) { return one.expired; });
    update(*queue);
    forget_if_unused(expired.back().name);
  }
  return expired;
}

std::optional<timestamp> activity_queue::next_start_by() const {
  if (deadlines_.empty())
    return std::nullopt;
  return std::get<0>(*deadlines_.begin());
}

void activity_queue::clear() {
  deadlines_.clear();
  for (auto& [name, queue] : by_name_) {
    queue.items.clear();
    queue.waiting = 0;
    update(queue);
  }
  size_ = 0;
}

} // namespace perdura::actors
