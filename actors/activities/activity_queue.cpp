// SPDX-License-Identifier: Apache-2.0
#include "actors/activities/activity_queue.hpp"

#include "actors/activities/stored_input.hpp"

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

// An input of at most this size is stored inside its string.
constexpr std::size_t short_input_bytes = 15;

} // namespace

activity_queue::activity_queue(limit_of limit, std::size_t input_bytes_max)
  : limit_(std::move(limit)), input_bytes_max_(input_bytes_max) {}

/// The address of an entry is stable while items of the name are queued or run.
activity_queue::named& activity_queue::queue_of(const std::string& name) {
  const auto [it, fresh] = by_name_.try_emplace(name);
  if (fresh) {
    const auto limit = limit_(name);
    it->second.is_known = limit.has_value();
    it->second.running_max = limit.value_or(0);
  }
  return it->second;
}

/// Brings `startable_` and `ready_` up to date after a change of the queue.
void activity_queue::update(named& queue) {
  while (!queue.items.empty() && queue.items.front().expired)
    queue.items.pop_front();
  std::size_t startable = queue.is_known ? queue.waiting : 0;
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

void activity_queue::drop_input_if_full(activity_work_item& item) const {
  if (item.scheduled_event == 0 || item.input.size() <= short_input_bytes
      || input_bytes_ + item.input.size() <= input_bytes_max_)
    return;
  item.input = std::string();
  item.input_is_stored = true;
}

/// Counts the input of an item that is queued from now on.
void activity_queue::count_in(const activity_work_item& item) {
  ++size_;
  input_bytes_ += item.input.size();
  stored_inputs_ += item.input_is_stored ? 1 : 0;
}

/// The opposite of `count_in`.
void activity_queue::count_out(const activity_work_item& item) {
  --size_;
  input_bytes_ -= item.input.size();
  stored_inputs_ -= item.input_is_stored ? 1 : 0;
}

std::vector<activity_work_item*>
activity_queue::stored_inputs_of(const instance_id& id) {
  std::vector<activity_work_item*> found;
  if (stored_inputs_ == 0)
    return found;
  for (auto& [name, queue] : by_name_)
    for (queued& one : queue.items)
      if (!one.expired && one.item.input_is_stored && one.item.instance == id)
        found.push_back(&one.item);
  return found;
}

void activity_queue::put_input(activity_work_item& item, std::string input) {
  actors::put_input(item, std::move(input));
  input_bytes_ += item.input.size();
  --stored_inputs_;
}

void activity_queue::push(activity_work_item item,
                          std::optional<boot_time> start_by) {
  named& queue = queue_of(item.name);
  drop_input_if_full(item);
  count_in(item);
  const std::uint64_t number = ++last_number_;
  if (start_by)
    deadlines_.emplace(*start_by, number, &queue);
  queue.items.push_back({number, std::move(item), start_by});
  ++queue.waiting;
  unknown_ += queue.is_known ? 0 : 1;
  update(queue);
}

std::optional<activity_work_item> activity_queue::pop_startable() {
  if (ready_.empty())
    return std::nullopt;
  named& queue = *ready_.begin()->second;
  queued& first = queue.items.front();
  if (first.start_by)
    deadlines_.erase({*first.start_by, first.number, &queue});
  count_out(first.item);
  activity_work_item item = std::move(first.item);
  queue.items.pop_front();
  --queue.waiting;
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
  count_in(item);
  queue.items.push_front({front_number_--, std::move(item), std::nullopt});
  ++queue.waiting;
  update(queue);
}

/// Counts an item out. Its entry leaves the queue with its neighbours.
void activity_queue::expire(named& queue, queued& one) {
  count_out(one.item);
  one.expired = true;
  unknown_ -= queue.is_known ? 0 : 1;
  --queue.waiting;
}

void activity_queue::remove(const instance_id& instance,
                            const execution_id& execution, bool only_unknown) {
  if (only_unknown && unknown_ == 0)
    return;
  for (auto& [name, queue] : by_name_) {
    if (queue.waiting == 0 || (only_unknown && queue.is_known))
      continue;
    for (queued& one : queue.items) {
      if (one.expired || one.item.instance != instance
          || one.item.execution != execution)
        continue;
      if (one.start_by)
        deadlines_.erase({*one.start_by, one.number, &queue});
      expire(queue, one);
    }
    std::erase_if(queue.items, [](const queued& one) { return one.expired; });
    update(queue);
  }
}

std::vector<activity_work_item> activity_queue::pop_expired(boot_time now) {
  std::vector<activity_work_item> expired;
  while (!deadlines_.empty() && std::get<0>(*deadlines_.begin()) <= now) {
    const auto [time, number, queue] = *deadlines_.begin();
    deadlines_.erase(deadlines_.begin());
    const auto found
      = std::lower_bound(queue->items.begin(), queue->items.end(), number,
                         [](const queued& one, std::uint64_t other) {
                           return one.number < other;
                         });
    expired.push_back(found->item);
    expire(*queue, *found);
    if (queue->items.size() > 2 * queue->waiting + expired_kept_max)
      std::erase_if(queue->items,
                    [](const queued& one) { return one.expired; });
    update(*queue);
    forget_if_unused(expired.back().name);
  }
  return expired;
}

std::optional<boot_time> activity_queue::next_start_by() const {
  if (deadlines_.empty())
    return std::nullopt;
  return std::get<0>(*deadlines_.begin());
}

std::vector<std::pair<std::string, std::size_t>>
activity_queue::queued_by_name() const {
  std::vector<std::pair<std::string, std::size_t>> found;
  for (const auto& [name, queue] : by_name_)
    if (queue.waiting > 0)
      found.emplace_back(name, queue.waiting);
  return found;
}

void activity_queue::clear() {
  deadlines_.clear();
  for (auto& [name, queue] : by_name_) {
    queue.items.clear();
    queue.waiting = 0;
    update(queue);
  }
  size_ = 0;
  input_bytes_ = 0;
  stored_inputs_ = 0;
  unknown_ = 0;
}

} // namespace perdura::actors
